package name

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
)

// The dictionaries have one ASCII name per line, sorted, each name once. A file is never changed: other names are another
// version of the formatter, with files of their own.
//
//go:embed dictionary/*.v1.txt
var files embed.FS

// digest is the SHA-256 of the four files of version 1, in the order of their names.
const digest = "34db5d5450fe904476fc2be2f789741f6afb1aac2c9ba2140c2addea60ff449c"

// dictionary is a version of the names.
type dictionary struct {
	female, last, male, unisex []string
}

// load reads the dictionary once and refuses one that is not the pinned version.
var load = sync.OnceValues(func() (*dictionary, error) {
	d := new(dictionary)
	sum := sha256.New()
	for _, part := range []struct {
		file string
		into *[]string
	}{{"female", &d.female}, {"last", &d.last}, {"male", &d.male}, {"unisex", &d.unisex}} {
		text, err := files.ReadFile("dictionary/" + part.file + ".v1.txt")
		if err != nil {
			return nil, fmt.Errorf("read the dictionary of names: %w", err)
		}
		sum.Write(text)
		*part.into = strings.Fields(string(text))
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		return nil, fmt.Errorf("the dictionary of names has digest %s, but version %d is %s", got, version, digest)
	}
	return d, nil
})

// fewest is how many names have to remain under a length limit.
const fewest = 20

// within returns the names of at most limit characters; 0 means all.
func within(names []string, limit int) []string {
	if limit == 0 {
		return names
	}
	var short []string
	for _, n := range names {
		if len(n) <= limit {
			short = append(short, n)
		}
	}
	return short
}

func longest(lists ...[]string) int {
	n := 0
	for _, list := range lists {
		for _, name := range list {
			n = max(n, len(name))
		}
	}
	return n
}
