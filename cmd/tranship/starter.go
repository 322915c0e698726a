package main

import (
	"bytes"
	_ "embed"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/mask"
)

//go:embed starter.yaml.tmpl
var starterText string

var starterTemplate = template.Must(template.New("starter").Parse(starterText))

// starter is what a starter configuration is written from.
type starter struct {
	name     string // of the application
	s3       bool
	database *api.SecretRef // nil: there is none
	files    string         // directory; empty: there is none
	schemas  []mask.ComponentSchema

	locations []starterLocation
}

// starterLocation is a location of the starter configuration.
type starterLocation struct {
	Name, Trust, About string
	PublicKey          string
	Store              string // the block of the store, as YAML
	PrivateKey, Writer string // names of key files
	Signers            []starterSigner
}

type starterSigner struct{ Role, PublicKey string }

// generate makes every key that the configuration refers to and that services need, where it is not there yet.
func (s *starter) generate(keys keyset) ([]keyEntry, error) {
	var all []keyEntry
	signers := map[artifact.Role]starterSigner{}
	for _, role := range signerRoles {
		e, err := keys.signer(role)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		signers[artifact.Role(role)] = starterSigner{role, e.Public}
	}
	for _, name := range bus.Services() {
		e, err := keys.service(name)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	e, err := keys.masking("mask", 1)
	if err != nil {
		return nil, err
	}
	all = append(all, e)
	for _, l := range []struct {
		name, about string
		trust       api.Trust
		roles       []artifact.Role
	}{
		{"vault", "Raw captures: everything as it is in production.", api.TrustRaw, []artifact.Role{artifact.Capturer, artifact.Restorer}},
		{"masked", "Masked captures, where they are made.", api.TrustMasked, []artifact.Role{artifact.Masker, artifact.Verifier, artifact.Restorer}},
		{"test-cloud", "Masked captures, where they are used.", api.TrustMasked, []artifact.Role{artifact.Masker, artifact.Verifier, artifact.Transferer, artifact.Restorer}},
	} {
		pair, err := keys.location(l.name)
		if err != nil {
			return nil, err
		}
		all = append(all, pair...)
		at := starterLocation{
			Name: l.name, Trust: string(l.trust), About: l.about, PublicKey: pair[0].Public, Store: s.store(l.name),
			PrivateKey: filepath.Base(pair[0].File), Writer: filepath.Base(pair[1].File),
		}
		for _, role := range l.roles {
			at.Signers = append(at.Signers, signers[role])
		}
		s.locations = append(s.locations, at)
	}
	return all, nil
}

// store returns the block of a location's store.
func (s *starter) store(location string) string {
	if !s.s3 {
		return "file: {path: ./stores/" + location + "}"
	}
	variable := api.SecretEnvPrefix + strings.ToUpper(strings.ReplaceAll(location, "-", "_"))
	return `s3:
    bucket: CHANGE-ME-` + location + `
    prefix: tranship
    # endpoint: https://s3.example.org     # of a store that is not Amazon's
    # pathStyle: true
    credentials:                           # leave out to use the worker's own identity
      accessKeyID: {fromEnv: ` + variable + `_KEY_ID}
      secretAccessKey: {fromEnv: ` + variable + `_SECRET}
  region: CHANGE-ME`
}

// text returns the configuration.
func (s *starter) text() ([]byte, error) {
	var out bytes.Buffer
	view := struct {
		Name, Database, Restored, Files, Masking string
		Locations                                []starterLocation
	}{
		Name: s.name, Files: s.files, Masking: string(s.proposal()), Locations: s.locations,
		Restored: "{fromEnv: " + api.SecretEnvPrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_")) + "_RESTORED_DSN}",
	}
	if s.database != nil {
		view.Database = secretText(*s.database)
	}
	if err := starterTemplate.Execute(&out, view); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
