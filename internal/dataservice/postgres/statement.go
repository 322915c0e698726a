package postgres

import (
	"regexp"
	"strings"
)

// class says how a statement of the second part of a schema may be executed.
type class int

const (
	// serial statements wait for all before them, and all after them wait for them.
	serial class = iota
	// setting statements concern every session that executes later statements.
	setting
	// build statements make an index, alone or of a constraint: side by side with other builds.
	build
	// reference statements add a foreign key: side by side with other references.
	reference
	// credential statements log in to other servers as a role of this one. Roles are not captured, and neither are their
	// passwords restored.
	credential
	// statistic statements, which newer versions write, are left out: a restore counts for itself.
	statistic
)

// An identifier as pg_dump writes it, with or without a schema.
const identifier = `(?:"(?:[^"]|"")+"|[^\s"(.;]+)`

var (
	createIndex   = regexp.MustCompile(`^CREATE (?:UNIQUE )?INDEX `)
	addConstraint = regexp.MustCompile(`^ALTER TABLE (?:ONLY )?(?:` + identifier + `\.)?` + identifier + `\s+ADD CONSTRAINT ` + identifier + ` (PRIMARY KEY|UNIQUE|EXCLUDE|FOREIGN KEY)\b`)
	setVariable   = regexp.MustCompile(`^SET (?:SESSION )?([A-Za-z_][A-Za-z0-9_.]*) (?:=|TO) `)
	setConfig     = regexp.MustCompile(`^SELECT pg_catalog\.set_config\('([^']+)'`)
	restoreStats  = regexp.MustCompile(`^SELECT (?:\* FROM )?pg_catalog\.pg_(?:restore|clear)_(?:relation|attribute|extended)_stats\b`)
)

// classOf reads the beginning of a statement.
func classOf(statement string) class {
	if restoreStats.MatchString(statement) {
		return statistic
	}
	if strings.HasPrefix(statement, "CREATE USER MAPPING ") {
		return credential
	}
	if settingName(statement) != "" {
		return setting
	}
	if createIndex.MatchString(statement) {
		return build
	}
	if m := addConstraint.FindStringSubmatch(statement); m != nil {
		if m[1] == "FOREIGN KEY" {
			return reference
		}
		return build
	}
	return serial
}

// settingName is the name of the setting that a statement sets, or "".
func settingName(statement string) string {
	if m := setVariable.FindStringSubmatch(statement); m != nil {
		return strings.ToLower(m[1])
	}
	if m := setConfig.FindStringSubmatch(statement); m != nil {
		return strings.ToLower(m[1])
	}
	return ""
}
