package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/secret"
)

// variableToken holds the token for the gateway where no file can be mounted.
const variableToken = "TRANSHIP_TOKEN"

// gateway returns a client of the gateway that the flags name.
func (m *Main) gateway() (*client.Client, error) {
	token, file, err := m.token()
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{BaseURL: m.flags.server, Token: token, TokenFile: file, Tenant: m.flags.tenant}, client.Deps{})
	if err != nil {
		return nil, misuse("--server: %v", err)
	}
	return c, nil
}

// token returns the token for the gateway and the file that it came from, if it came from one.
func (m *Main) token() (secret.Value, string, error) {
	if text := m.env(variableToken); text != "" && m.flags.tokenFile == "" {
		return secret.NewValue(text), "", nil
	}
	path := m.tokenFile()
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && m.flags.tokenFile != "":
		return secret.Value{}, "", misuse("--token-file: there is no file %s", path)
	case errors.Is(err, fs.ErrNotExist):
		return secret.Value{}, "", misuse("there is no token for the server: %s does not exist", path).
			hinted("start the server with \"tranship up\", which writes it, or name another file with --token-file")
	case err != nil:
		return secret.Value{}, "", failed(err, "reading the token for the server")
	}
	if exposed(path) {
		m.note("warning: others can read the token in %s; run: chmod 600 %s", path, path)
	}
	text := strings.TrimSpace(string(data))
	clear(data)
	if text == "" {
		return secret.Value{}, "", misuse("the token file %s is empty", path)
	}
	return secret.NewValue(text), path, nil
}
