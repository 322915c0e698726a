// Package all lists the masks of this build.
package all

import (
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/card"
	"github.com/tranship/tranship/internal/mask/constant"
	"github.com/tranship/tranship/internal/mask/date"
	"github.com/tranship/tranship/internal/mask/drop"
	"github.com/tranship/tranship/internal/mask/email"
	"github.com/tranship/tranship/internal/mask/id"
	"github.com/tranship/tranship/internal/mask/json"
	"github.com/tranship/tranship/internal/mask/keep"
	"github.com/tranship/tranship/internal/mask/name"
	"github.com/tranship/tranship/internal/mask/null"
	"github.com/tranship/tranship/internal/mask/phone"
	"github.com/tranship/tranship/internal/mask/text"
	"github.com/tranship/tranship/internal/registry"
)

// Masks returns the registry of masks by their names.
func Masks() *registry.Registry[mask.Spec] {
	return registry.New("mask", func(s mask.Spec) string { return s.Name },
		card.Spec,
		constant.Spec,
		date.Spec,
		drop.Spec,
		email.Spec,
		id.Int,
		id.UUID,
		json.Spec,
		keep.Spec,
		name.First,
		name.Full,
		name.Last,
		null.Spec,
		phone.Spec,
		text.Spec,
	)
}
