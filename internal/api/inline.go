package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

type (
	identityFields   Identity
	columnRuleFields ColumnRule
)

// MarshalJSON writes the fields and the parameters into one object.
func (i Identity) MarshalJSON() ([]byte, error) { return marshalInline(identityFields(i), i.Params) }

// UnmarshalJSON reads the fields, and every other key as a parameter.
func (i *Identity) UnmarshalJSON(data []byte) error {
	params, err := unmarshalInline(data, (*identityFields)(i))
	i.Params = params
	return err
}

// MarshalJSON writes the fields and the parameters into one object.
func (c ColumnRule) MarshalJSON() ([]byte, error) {
	return marshalInline(columnRuleFields(c), c.Params)
}

// UnmarshalJSON reads the fields, and every other key as a parameter.
func (c *ColumnRule) UnmarshalJSON(data []byte) error {
	params, err := unmarshalInline(data, (*columnRuleFields)(c))
	c.Params = params
	c.Const = plainNumbers(c.Const)
	return err
}

func marshalInline(fields any, params map[string]any) ([]byte, error) {
	head, err := json.Marshal(fields)
	if err != nil || len(params) == 0 {
		return head, err
	}
	known := fieldNames(reflect.TypeOf(fields))
	for key := range params {
		if known[key] {
			return nil, fmt.Errorf("parameter %q has the name of a field", key)
		}
	}
	tail, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	if len(head) == len("{}") {
		return tail, nil
	}
	return bytes.Join([][]byte{head[:len(head)-1], {','}, tail[1:]}, nil), nil
}

func unmarshalInline(data []byte, into any) (map[string]any, error) {
	if err := decodeNumbers(data, into); err != nil {
		return nil, err
	}
	var all map[string]any
	if err := decodeNumbers(data, &all); err != nil {
		return nil, err
	}
	known := fieldNames(reflect.TypeOf(into).Elem())
	maps.DeleteFunc(all, func(key string, _ any) bool { return known[key] })
	if len(all) == 0 {
		return nil, nil
	}
	return plainNumbers(all).(map[string]any), nil
}

// decodeNumbers is json.Unmarshal that keeps the text of numbers in values of no type.
func decodeNumbers(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode(into)
}

// fieldNames returns the JSON names of a struct's own fields.
func fieldNames(t reflect.Type) map[string]bool {
	names := make(map[string]bool, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names[name] = true
		}
	}
	return names
}
