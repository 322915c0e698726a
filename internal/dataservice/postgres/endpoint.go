package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tranship/tranship/internal/fault"
)

// endpoint is a database as its DSN names it. It is a value: methods return changed copies.
type endpoint struct {
	config *pgx.ConnConfig
	// options are the words of the DSN, as libpq spells them, that pg_dump must be told as well.
	options map[string]string
	secrets []string
}

// parseDSN reads a URL or keywords and values. Its errors never quote the DSN.
func parseDSN(dsn string) (endpoint, error) {
	dsn = strings.TrimSpace(dsn)
	invalid := fault.New(fault.Permanent, "config.invalid", "dsn: not a PostgreSQL URL, nor keywords and values").
		WithHint("write postgres://user:password@host:5432/database, with special characters of the password percent-encoded, or host=… port=… dbname=… user=… password=…")
	if dsn == "" {
		return endpoint{}, invalid
	}
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return endpoint{}, invalid // pgx's text quotes parts of the DSN
	}
	if c.Database == "" {
		c.Database = c.User
	}
	c.ConnectTimeout = max(c.ConnectTimeout, 20*time.Second)
	// Nothing is asked twice of one connection, and a pooler in between would not like prepared statements.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	e := endpoint{config: c, options: dsnOptions(dsn), secrets: []string{dsn}}
	if p := c.Password; p != "" && p != c.User && p != c.Database && p != c.Host {
		e.secrets = append(e.secrets, p, url.QueryEscape(p), url.PathEscape(p))
	}
	return e, nil
}

// dsnOptions reads the words of a DSN that pgx found valid, and that only libpq needs to hear.
func dsnOptions(dsn string) map[string]string {
	words := map[string]string{}
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		if u, err := url.Parse(dsn); err == nil {
			for k, v := range u.Query() {
				words[k] = v[len(v)-1]
			}
		}
		return words
	}
	for rest := dsn; ; {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return words
		}
		var value string
		value, rest = dsnValue(strings.TrimLeft(after, " \t\r\n"))
		words[strings.TrimSpace(key)] = value
	}
}

// dsnValue reads a value that may be in single quotes, with backslash escapes.
func dsnValue(s string) (value, rest string) {
	var b strings.Builder
	quoted := strings.HasPrefix(s, "'")
	i := 0
	if quoted {
		i = 1
	}
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quoted && c == '\'':
			return b.String(), s[i+1:]
		case !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
			return b.String(), s[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// database returns the endpoint of another database on the same server.
func (e endpoint) database(name string) endpoint {
	e.config = e.config.Copy()
	e.config.Database = name
	return e
}

// connect opens a connection and pins its settings.
func (e endpoint) connect(ctx context.Context, purpose string) (*pgx.Conn, error) {
	c := e.config.Copy()
	c.RuntimeParams["application_name"] = "tranship " + purpose
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, e.scrub(classify(fmt.Errorf("connect to the database: %w", oneConnectError(err))))
	}
	if err := pin(ctx, conn); err != nil {
		hangUp(ctx, conn)
		return nil, e.scrub(classify(err))
	}
	return conn, nil
}

// connectError says once what several ways to the same server ended with.
type connectError struct {
	text string
	err  error
}

func (e *connectError) Error() string { return e.text }
func (e *connectError) Unwrap() error { return e.err }

// oneConnectError puts the error of a connection, which has a line for every address and mode of TLS, on one line.
func oneConnectError(err error) error {
	var all []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	text := all[0]
	if len(all) > 1 {
		text += " " + strings.Join(all[1:], "; ")
	}
	return &connectError{text, err}
}

// reading opens a connection that reads rows.
func (e endpoint) reading(ctx context.Context, purpose string) (*pgx.Conn, error) {
	conn, err := e.connect(ctx, purpose)
	if err != nil {
		return nil, err
	}
	if err := run(ctx, conn, readPins); err != nil {
		hangUp(ctx, conn)
		return nil, e.scrub(classify(fmt.Errorf("pin the settings of a session: %w", err)))
	}
	return conn, nil
}

// pinned returns the endpoint reduced to the one server that it leads to, as everything that happens under one snapshot
// must happen on one server, together with a connection.
func (e endpoint) pinned(ctx context.Context, purpose string) (endpoint, *pgx.Conn, error) {
	c := e.config
	hosts := append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	var failures []error
	for _, h := range hosts {
		one := e
		one.config = c.Copy()
		one.config.Host, one.config.Port, one.config.TLSConfig, one.config.Fallbacks = h.Host, h.Port, h.TLSConfig, nil
		conn, err := one.connect(ctx, purpose)
		if err == nil {
			return one, conn, nil
		}
		if refused(err) {
			return e, nil, err // the server has answered: how others failed explains nothing
		}
		// The same server with and without TLS: what stops both is said once.
		if len(failures) == 0 || failures[len(failures)-1].Error() != err.Error() {
			failures = append(failures, err)
		}
	}
	if len(failures) == 1 {
		return e, nil, failures[0]
	}
	return e, nil, &fault.Error{Class: fault.ClassOf(failures[len(failures)-1]), Err: errors.Join(failures...)}
}

// environment returns what tells libpq's programs to reach the database, without the password.
func (e endpoint) environment() []string {
	c := e.config
	env := []string{
		"PGHOST=" + c.Host, "PGPORT=" + strconv.Itoa(int(c.Port)), "PGUSER=" + c.User, "PGDATABASE=" + c.Database,
		"PGAPPNAME=tranship schema",
		"PGCONNECT_TIMEOUT=20",
		// Constants in the schema are written as these say.
		"PGOPTIONS=-c standard_conforming_strings=on -c DateStyle=ISO,MDY -c IntervalStyle=postgres -c TimeZone=UTC -c bytea_output=hex -c lc_monetary=C -c quote_all_identifiers=off",
	}
	switch mode := e.options["sslmode"]; {
	case c.TLSConfig == nil:
		env = append(env, "PGSSLMODE=disable")
	case mode == "" || mode == "prefer" || mode == "allow":
		env = append(env, "PGSSLMODE=require") // the connection that pins the server uses TLS already
	default:
		env = append(env, "PGSSLMODE="+mode)
	}
	for word, variable := range map[string]string{
		"sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslsni": "PGSSLSNI", "krbsrvname": "PGKRBSRVNAME",
		"channel_binding": "PGCHANNELBINDING", "require_auth": "PGREQUIREAUTH",
	} {
		if v := e.options[word]; v != "" {
			env = append(env, variable+"="+v)
		}
	}
	return env
}

// passfile returns a password file for libpq that has no name, so that nothing is left of it when this process is killed.
// It is nil when there is no password. Pass it to a program as a descriptor.
func (e endpoint) passfile() (*os.File, error) {
	if e.config.Password == "" {
		return nil, nil
	}
	f, err := os.CreateTemp("", "tranship-") // 0600
	if err != nil {
		return nil, fmt.Errorf("make the password file: %w", err)
	}
	_ = os.Remove(f.Name())
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	if _, err := f.WriteString("*:*:*:*:" + escape.Replace(e.config.Password) + "\n"); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write the password file: %w", err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("rewind the password file: %w", err)
	}
	return f, nil
}

// String names the endpoint for messages.
func (e endpoint) String() string {
	host := net.JoinHostPort(e.config.Host, strconv.Itoa(int(e.config.Port)))
	if filepath.IsAbs(e.config.Host) {
		host = e.config.Host
	}
	return fmt.Sprintf("database %s on %s", quoteIfNeeded(e.config.Database), host)
}

// scrub returns err with the endpoint's secrets removed from its text.
func (e endpoint) scrub(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	clean := text
	for _, s := range e.secrets {
		clean = strings.ReplaceAll(clean, s, "xxxxx")
	}
	if clean == text {
		return err
	}
	return &fault.Error{Class: fault.ClassOf(err), Code: fault.CodeOf(err), Hint: fault.HintOf(err), Err: errors.New(clean)}
}
