package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/tranship/tranship/internal/fault"
)

const maxBody = 1 << 20

// decode reads a JSON object of at most 1 MiB with known fields only. An empty body leaves v as it is.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case errors.Is(err, io.EOF): // an empty body
	case err != nil:
		return refuse(http.StatusBadRequest, fault.Permanent, "body.invalid", "the body is not the JSON object that is expected: %s", why(err))
	case d.More():
		return refuse(http.StatusBadRequest, fault.Permanent, "body.invalid", "something follows the JSON object in the body")
	}
	return nil
}

// why tells what is wrong with a JSON document without repeating it.
func why(err error) string {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	case errors.As(err, &typed):
		return fmt.Sprintf("%s: must be %s", typed.Field, typed.Type)
	}
	return err.Error()
}

// number reads a whole number from the query; absent gives fallback.
func number(r *http.Request, name string, fallback, least, most uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, refuse(http.StatusBadRequest, fault.Permanent, "query.invalid", "%s: must be a whole number from %d to %d", name, least, most)
	}
	return n, nil
}

// flag reads true or false from the query; absent is false.
func flag(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, refuse(http.StatusBadRequest, fault.Permanent, "query.invalid", "%s: must be true or false", name)
	}
	return b, nil
}
