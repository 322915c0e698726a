package leak_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/mask/leak"
)

func failsIn(v leak.Verdict, column string) bool {
	return slices.ContainsFunc(v.Findings, func(f leak.Finding) bool { return f.Column == column && f.Fails })
}

// TestColumnsThatAreEncodedFail hands on every value in another form, as a masker that is wrong might.
func TestColumnsThatAreEncodedFail(t *testing.T) {
	c := people(t, 300)
	for name, encode := range map[string]func(string) string{
		"upper case":   strings.ToUpper,
		"base64":       func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"URL base64":   func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
		"hex":          func(s string) string { return "0x" + hex.EncodeToString([]byte(s)) },
		"percent":      func(s string) string { return "mail=" + url.QueryEscape(s) },
		"JSON escapes": func(s string) string { return `{"mail":"` + strings.ReplaceAll(s, "@", `\\u0040`) + `"}` },
	} {
		for _, into := range []string{"email", "notes", "token"} {
			at := slices.Index(columns, into)
			v := scan(t, config(c.edit(into, func(raw, masked []string, row int) string {
				if row == 200 {
					return encode(raw[2])
				}
				return masked[at]
			})))
			if !failsIn(v, into) {
				t.Errorf("an address in %s within %s passes", name, into)
			}
		}
	}
}

func TestColumnsThatMovedByOneRowFail(t *testing.T) {
	c := people(t, 2000)
	for _, name := range []string{"id", "token", "email", "phone", "card"} {
		at := slices.Index(columns, name)
		v := scan(t, config(c.edit(name, func(_, _ []string, row int) string { return strings.Split(c.raw[(row+1)%len(c.raw)], "\t")[at] })))
		if !failsIn(v, name) {
			t.Errorf("%s holds the next row's value, and passes", name)
		}
	}
}

// TestFewRowsOfManyThatAreCopiedFail pins down how few are found.
func TestFewRowsOfManyThatAreCopiedFail(t *testing.T) {
	c := people(t, 4000)
	for name, fewest := range map[string]int{"id": 2, "token": 1, "email": 1, "first": 1, "born": 1, "notes": 1, "phone": 4, "card": 4} {
		at := slices.Index(columns, name)
		v := scan(t, config(c.edit(name, func(raw, masked []string, row int) string {
			if row < fewest {
				return raw[at]
			}
			return masked[at]
		})))
		if !failsIn(v, name) {
			t.Errorf("%d rows of 4000 keep their %s, and that passes", fewest, name)
		}
	}
}

func TestKeysOfDocumentsAreLookedAt(t *testing.T) {
	c := people(t, 100)
	for _, document := range []string{`{"user.17@acme-corp.com": 1}`, `{"by": {"USER.17@acme-corp.com": {"nick": "xx"}}}`} {
		v := scan(t, config(c.edit("profile", func(_, masked []string, row int) string {
			if row == 3 {
				return document
			}
			return masked[7]
		})))
		if !has(v, leak.KindSource, "profile") || !has(v, leak.KindAddress, "profile") {
			t.Errorf("%s: %+v", document, v.Findings)
		}
	}
}

func TestPathsOfFindingsHoldNoKeysThatMayBeData(t *testing.T) {
	c := people(t, 100)
	c.raw, c.masked = slices.Clone(c.raw), slices.Clone(c.masked)
	for i := range c.raw {
		for _, rows := range [][]string{c.raw, c.masked} {
			cells := strings.Split(rows[i], "\t")
			cells[7] = `{"by": {"mary@acme.com": {"code": "secret-` + strconv.Itoa(i) + `"}}}`
			rows[i] = strings.Join(cells, "\t")
		}
	}
	v := scan(t, config(c))
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "mary") || !strings.Contains(string(text), "$.by.*.code") {
		t.Errorf("got %s", text)
	}
}

// TestWhatSaysNothingIsNoAlarm has values in the source that masked captures hold for other reasons.
func TestWhatSaysNothingIsNoAlarm(t *testing.T) {
	c := people(t, 200)
	c.raw, c.masked = slices.Clone(c.raw), slices.Clone(c.masked)
	set := func(row int, column, raw, masked string) {
		at := slices.Index(columns, column)
		for rows, value := range map[*[]string]string{&c.raw: raw, &c.masked: masked} {
			cells := strings.Split((*rows)[row], "\t")
			cells[at] = value
			(*rows)[row] = strings.Join(cells, "\t")
		}
	}
	set(1, "email", "xxxxxxxx", "xxxxxxxx")
	set(2, "notes", "12345678", "xxxxxxxx")
	set(3, "email", "customers", "xxxxxxxxx")
	set(4, "token", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000")
	set(5, "born", "0000-00-00 00:00:00", "0000-00-00 00:00:00")
	cfg := config(c)
	cfg.Units = append(cfg.Units, leak.Unit{Component: "db", Unit: dataservice.Unit{ID: "pre", Format: dataservice.SQL},
		Masked: open([]string{"CREATE TABLE customers (mail text CHECK (mail LIKE '%@acme-corp.com' OR mail = 'noreply@acme-corp.com'));"})})
	v := scan(t, cfg)
	if !v.Passed {
		t.Errorf("got %+v", v.Findings)
	}
	if !slices.ContainsFunc(v.Findings, func(f leak.Finding) bool { return f.Object == "pre" && f.Kind == leak.KindAddress }) {
		t.Errorf("an address in the definitions is not told: %+v", v.Findings)
	}
}

// TestAFrequentKeyThatMeetsAnotherByChanceIsNoAlarm has one customer in half of the rows.
func TestAFrequentKeyThatMeetsAnotherByChanceIsNoAlarm(t *testing.T) {
	var c captures
	for i := range 4000 {
		raw, masked := 100_000+i, 900_000_000-i*7919
		if i%2 == 0 {
			raw, masked = 100_001, 100_003
		}
		c.raw, c.masked = append(c.raw, fmt.Sprint(raw)), append(c.masked, fmt.Sprint(masked))
	}
	u := dataservice.Unit{ID: "data-1", Format: dataservice.CopyText, Object: "public.orders", Columns: []string{"customer"}, Rows: 4000}
	v := scan(t, leak.Config{
		Columns: []leak.Column{{Component: "db", Object: "public.orders", Column: "customer", Class: leak.Identifier, Domain: 1 << 30}},
		Units:   []leak.Unit{{Component: "db", Unit: u, Raw: open(c.raw), Masked: open(c.masked)}},
	})
	if !v.Passed {
		t.Errorf("got %+v", v.Findings)
	}
}

// TestManyIdentifiersOfADenseDomainPass permutes more keys than can be suspects at once, within a domain that they fill.
func TestManyIdentifiersOfADenseDomainPass(t *testing.T) {
	const n = 600_000
	var c, moved captures
	for i := range n {
		c.raw, c.masked = append(c.raw, strconv.Itoa(100_000+i)), append(c.masked, strconv.Itoa(100_000+(i*299_993+1)%(n+100_000)))
		moved.masked = append(moved.masked, strconv.Itoa(100_000+(i+n/3)%n))
	}
	moved.raw = c.raw
	config := func(c captures, domain float64) leak.Config {
		u := dataservice.Unit{ID: "data-1", Format: dataservice.CopyText, Object: "public.orders", Columns: []string{"id"}, Rows: n}
		return leak.Config{
			Columns: []leak.Column{{Component: "db", Object: "public.orders", Column: "id", Class: leak.Identifier, Domain: domain}},
			Units:   []leak.Unit{{Component: "db", Unit: u, Raw: open(c.raw), Masked: open(c.masked)}},
		}
	}
	if v := scan(t, config(c, n+100_000)); !v.Passed {
		t.Errorf("a domain that is full: %+v", v.Findings)
	}
	if v := scan(t, config(moved, 1<<30)); !has(v, leak.KindSource, "id") {
		t.Errorf("keys of other rows in a large domain: %+v", v.Findings)
	}
}
