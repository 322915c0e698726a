package embedded

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/tranship/tranship/internal/fault"
)

// ServerConfig describes an external nats-server that several processes share.
type ServerConfig struct {
	Users    []User
	StoreDir string // of JetStream, on the server's machine; empty: the server's default
}

// WriteConfig writes a configuration for an external nats-server: one account with the users and permissions that an
// embedded server would have. It holds public keys only. Listeners, TLS and clustering are for its reader to add.
func WriteConfig(w io.Writer, cfg ServerConfig) error {
	out := bufio.NewWriter(w)
	put := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) } // Flush reports
	put("# Written by tranship: users of Tranship, by public key, with the least permissions each of them needs.")
	put("max_payload: %d", MaxPayload)
	put("jetstream {")
	put("  # an acknowledged message is on disk, also after a power loss")
	put("  sync_interval: always")
	if cfg.StoreDir != "" {
		put("  store_dir: %s", quoted(cfg.StoreDir))
	}
	put("}")
	put("accounts {")
	put("  TRANSHIP {")
	put("    jetstream: enabled")
	put("    users: [")
	for _, u := range cfg.Users {
		if !nkeys.IsValidPublicUserKey(u.PublicKey) {
			return fault.New(fault.Permanent, "nats.config", "users[%s].publicKey: not the public nkey of a user", u.Service)
		}
		put("      # %s", u.Service)
		put("      {")
		put("        nkey: %s", u.PublicKey)
		put("        permissions: {")
		put("          publish: {allow: [%s]}", list(u.Grant.Publish))
		put("          subscribe: {allow: [%s]}", list(u.Grant.Subscribe))
		put("        }")
		put("      }")
	}
	put("    ]")
	put("  }")
	put("}")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the configuration of the NATS server: %w", err)
	}
	return nil
}

func list(subjects []string) string {
	out := make([]string, len(subjects))
	for i, s := range subjects {
		out[i] = quoted(s)
	}
	return strings.Join(out, ", ")
}

// quoted writes a string so that the server's configuration reader takes "$" and "*" as they are.
func quoted(s string) string {
	b, _ := json.Marshal(s) // of a string: cannot fail
	return strings.NewReplacer(`\u003e`, ">", `\u003c`, "<", `\u0026`, "&").Replace(string(b))
}
