package shop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const readme = `# Invoices

One file for each invoice, in folders of a year and a month. PDF since 2025, plain text before.
The form is templates/invoice.html.
`

const form = `<!doctype html>
<title>Invoice {{number}}</title>
<p>{{name}}<br>{{street}}<br>{{city}}</p>
<p>Total: {{total}} EUR</p>
`

// Invoices writes n invoices into a directory, which it makes, with names and addresses in them.
func Invoices(dir string, n int) error {
	files := map[string][]byte{"README.md": []byte(readme), "templates/invoice.html": []byte(form)}
	for i := range n {
		at := time.Date(2023, 1, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, i*1095/max(n, 1))
		name := fmt.Sprintf("%s/%s/invoice-%06d", at.Format("2006"), at.Format("01"), i+1)
		if text := invoice(i+1, at); at.Year() < 2025 {
			files[name+".txt"] = []byte(text)
		} else {
			files[name+".pdf"] = pdf(text)
		}
	}
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write invoices: %w", err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return fmt.Errorf("write invoices: %w", err)
		}
	}
	return nil
}

// invoice is the text of one invoice. Its numbers step through the words with strides that share no factor with how many
// there are.
func invoice(number int, at time.Time) string {
	return fmt.Sprintf("Invoice %06d of %s\n\n%s %s\n%s %d\n%05d %s\n\n1 %-30s %8.2f EUR\n\nPaid by card. Thank you.\n",
		number, at.Format(time.DateOnly), firstNames[number*29%len(firstNames)], lastNames[number*37%len(lastNames)],
		streets[number*3%len(streets)], 1+number*7%190, 1067+number*7919%98000, cities[number*5%len(cities)],
		"Delivery of goods", float64(499+number*1117%24000)/100)
}

// pdf sets lines of text on one page.
func pdf(text string) []byte {
	var page strings.Builder
	page.WriteString("BT /F1 11 Tf 14 TL 60 780 Td\n")
	escape := strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`)
	for line := range strings.Lines(text) {
		fmt.Fprintf(&page, "(%s) Tj T*\n", escape.Replace(latin(strings.TrimSuffix(line, "\n"))))
	}
	page.WriteString("ET\n")

	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%sendstream", page.Len(), page.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
	}
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

// latin writes text in the font's encoding, with ? for what is not in it.
func latin(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return string(b)
}
