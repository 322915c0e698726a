package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/clock"
)

// Config says how a terminal is written to.
type Config struct {
	Color bool
	Width int // columns; 0: as wide as the terminal is, or 80 where that is not known
}

// Deps are the parts that a terminal display uses.
type Deps struct {
	Clock clock.Clock // for rates and durations
}

// NewTerminal returns a display for people: a line for each step, redrawn in place, and above them a line for each thing
// that went wrong and was dealt with. w is a terminal, or something that understands its control sequences.
func NewTerminal(w io.Writer, c Config, d Deps) Display {
	options := []mpb.ContainerOption{mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(refresh)}
	if c.Width > 0 {
		options = append(options, mpb.WithWidth(c.Width))
	}
	return &terminal{config: c, clock: d.Clock, bars: mpb.New(options...), meters: map[string]*meter{}}
}

// refresh is how often the lines are drawn again.
const refresh = 120 * time.Millisecond

// terminal draws steps with one bar each. The bars' own counts are not used: each line is drawn from the run's state when
// it is due.
type terminal struct {
	config Config
	clock  clock.Clock
	bars   *mpb.Progress

	mu     sync.Mutex
	run    Run
	drawn  []*mpb.Bar // of run.Steps, by index
	meters map[string]*meter
	spin   int
}

// Event implements Display.
func (t *terminal) Event(e event.Event) error {
	t.mu.Lock()
	news := t.run.Apply(e)
	t.mu.Unlock()
	for _, n := range news {
		t.say(n)
	}
	t.addNew()
	return nil
}

// addNew gives every step that has none a line. It must not hold the lock that drawing takes.
func (t *terminal) addNew() {
	for i := len(t.drawn); i < len(t.run.Steps); i++ {
		t.add(i, t.run.Steps[i])
	}
}

// Progress implements Display.
func (t *terminal) Progress(p client.Progress) {
	now := t.clock.Now()
	t.mu.Lock()
	t.run.Progress(p)
	for _, s := range p.Steps {
		if t.meters[s.Step] == nil {
			t.meters[s.Step] = &meter{}
		}
		t.meters[s.Step].add(now, s.Bytes)
	}
	t.mu.Unlock()
	t.addNew()
}

// Note implements Display.
func (t *terminal) Note(text string) { t.say(News{Time: t.clock.Now(), Text: text}) }

// Close draws the last state and leaves it.
func (t *terminal) Close() {
	for _, b := range t.drawn {
		b.SetTotal(-1, true)
	}
	t.bars.Wait()
}

func (t *terminal) say(n News) {
	at := n.Time.Local().Format(time.TimeOnly)
	where := ""
	if n.Step != "" {
		where = n.Step + ": "
	}
	p := paint{t.config.Color}
	fmt.Fprintf(t.bars, "%s  %s%s\n", p.dim(at), where, printable(n.Text))
}

func (t *terminal) add(index int, s *Step) {
	filler := mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error {
		t.mu.Lock()
		defer t.mu.Unlock()
		width := t.config.Width
		if width == 0 {
			width = stat.AvailableWidth
		}
		_, err := io.WriteString(w, t.line(s, width))
		return err
	})
	bar, err := t.bars.Add(0, filler, mpb.BarPriority(index), mpb.BarFillerTrim())
	if err == nil { // it fails only after Close
		t.drawn = append(t.drawn, bar)
	}
}

// Widths of a line's parts in columns.
const (
	nameWidth = 12
	barWidth  = 24
)

// line draws a step: mark, name, bar, how much, rate, time left or time taken.
func (t *terminal) line(s *Step, width int) string {
	p := paint{t.config.Color}
	now := t.clock.Now()
	var b strings.Builder
	b.WriteString(t.mark(s) + " " + pad(s.Name, nameWidth) + " ")
	used := 2 + nameWidth + 1
	if width >= used+barWidth+40 || width <= 0 {
		b.WriteString(bar(s, barWidth, p) + " ")
		used += barWidth + 1
	}
	text := strings.Join(t.facts(s, now), "  ")
	if width > 0 {
		text = clip(text, width-used)
	}
	if s.Status == Failed {
		text = p.red(text)
	}
	b.WriteString(text)
	return b.String()
}

var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

func (t *terminal) mark(s *Step) string {
	p := paint{t.config.Color}
	switch s.Status {
	case Done:
		return p.green("✓")
	case Failed:
		return p.red("✗")
	case Skipped, Undone:
		return p.dim("–")
	case Running:
		t.spin++
		return p.cyan(spinner[t.spin/max(1, len(t.run.Steps))%len(spinner)])
	}
	return p.dim("·")
}

// facts are the words of a step's line, the most important first.
func (t *terminal) facts(s *Step, now time.Time) []string {
	var facts []string
	switch s.Status {
	case Pending:
		return []string{"waiting"}
	case Skipped:
		return []string{"skipped: " + printable(s.Note)}
	case Undone:
		return []string{"undone"}
	case Failed:
		if s.Fault != nil {
			return []string{printable(s.Fault.Message)}
		}
		return []string{"failed"}
	}
	m := s.Moved()
	if s.Status == Running {
		facts = append(facts, fmt.Sprintf("%3.0f%%", 100*s.Fraction()))
	}
	if m.Bytes > 0 {
		facts = append(facts, Bytes(m.Bytes))
	}
	if m.Rows > 0 {
		facts = append(facts, Count(m.Rows)+" rows")
	}
	if s.Status == Running {
		facts = append(facts, t.speed(s, m, now)...)
	} else {
		facts = append(facts, Took(s.Ended.Sub(s.Started)))
	}
	return append(facts, s.troubles(now)...)
}

// speed returns rate and time left, as far as they can be told.
func (t *terminal) speed(s *Step, m client.StepProgress, now time.Time) []string {
	rate := t.meters[s.Name].rate(now)
	if rate <= 0 {
		if done, planned := s.Tasks(); planned > 0 {
			return []string{fmt.Sprintf("%d of %d parts", done, planned)}
		}
		return nil
	}
	facts := []string{Bytes(int64(rate)) + "/s"}
	if left := m.BytesTotal - m.Bytes; m.BytesTotal > 0 && left > 0 {
		facts = append(facts, "ETA "+Took(time.Duration(float64(left)/rate*float64(time.Second))))
	}
	return facts
}

// troubles are what went wrong with a step and was dealt with, or is being.
func (s *Step) troubles(now time.Time) []string {
	var facts []string
	if s.Takeovers > 0 {
		facts = append(facts, plural(s.Takeovers, "takeover"))
	}
	if s.Retries > 0 {
		facts = append(facts, plural(s.Retries, "retry"))
	}
	if s.Restarts > 0 {
		facts = append(facts, plural(s.Restarts, "restart"))
	}
	if s.Status != Running {
		return facts
	}
	if wait := s.Waiting.Sub(now); !s.Waiting.IsZero() && wait > 0 {
		facts = append(facts, "next attempt in "+Took(wait))
	}
	if s.Note != "" {
		facts = append(facts, printable(s.Note))
	}
	return facts
}

// bar draws how far a step is.
func bar(s *Step, width int, p paint) string {
	full := int(s.Fraction()*float64(width) + 0.5)
	done, rest := strings.Repeat("━", full), strings.Repeat("─", width-full)
	switch s.Status {
	case Failed:
		return p.red(done) + p.dim(rest)
	case Done:
		return p.green(done) + p.dim(rest)
	}
	return p.cyan(done) + p.dim(rest)
}

func pad(s string, n int) string {
	s = clip(s, n)
	return s + strings.Repeat(" ", n-utf8.RuneCountInString(s))
}

// clip shortens a text to n columns.
func clip(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// printable keeps what workers say from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// paint colours text, when it is on.
type paint struct{ on bool }

func (p paint) with(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) red(s string) string   { return p.with("31", s) }
func (p paint) green(s string) string { return p.with("32", s) }
func (p paint) cyan(s string) string  { return p.with("36", s) }
func (p paint) dim(s string) string   { return p.with("2", s) }
