package phone

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// class is a region and a type of number, as libphonenumber tells them. The type of a number that is not valid is UNKNOWN.
type class struct {
	region string
	kind   phonenumbers.PhoneNumberType
	// ambiguous numbers begin as if dialled with the national prefix. When read, they lose it.
	ambiguous bool
}

func (c class) valid() bool { return c.kind != phonenumbers.UNKNOWN }

var invalid = class{kind: phonenumbers.UNKNOWN}

// minNSN and maxNSN bound the national number's digits.
const (
	minNSN = 3
	maxNSN = 15
)

// plan is the numbering plan of a country code: which national numbers are valid, where and for what. It decides exactly
// as libphonenumber does, but in one pass over the digits, and can count. Safe for concurrent use.
type plan struct {
	country string // the code as digits
	prefix  string // the national prefix
	regions []region
	auto    *automaton

	mu     sync.Mutex
	spaces map[spaceID]*space
}

// region is one region of a plan. The numbers of its patterns count from first, in the order of descriptions.
type region struct {
	id    string
	meta  *phonenumbers.PhoneMetadata
	first int32
}

// descriptions are the types in the order in which libphonenumber asks for them. Position 0 is the general description,
// the last one leading digits.
var descriptions = []struct {
	kind phonenumbers.PhoneNumberType
	of   func(*phonenumbers.PhoneMetadata) *phonenumbers.PhoneNumberDesc
}{
	{phonenumbers.UNKNOWN, (*phonenumbers.PhoneMetadata).GetGeneralDesc},
	{phonenumbers.PREMIUM_RATE, (*phonenumbers.PhoneMetadata).GetPremiumRate},
	{phonenumbers.TOLL_FREE, (*phonenumbers.PhoneMetadata).GetTollFree},
	{phonenumbers.SHARED_COST, (*phonenumbers.PhoneMetadata).GetSharedCost},
	{phonenumbers.VOIP, (*phonenumbers.PhoneMetadata).GetVoip},
	{phonenumbers.PERSONAL_NUMBER, (*phonenumbers.PhoneMetadata).GetPersonalNumber},
	{phonenumbers.PAGER, (*phonenumbers.PhoneMetadata).GetPager},
	{phonenumbers.UAN, (*phonenumbers.PhoneMetadata).GetUan},
	{phonenumbers.VOICEMAIL, (*phonenumbers.PhoneMetadata).GetVoicemail},
	{phonenumbers.FIXED_LINE, (*phonenumbers.PhoneMetadata).GetFixedLine},
	{phonenumbers.MOBILE, (*phonenumbers.PhoneMetadata).GetMobile},
}

// perRegion is how many patterns a region has: its descriptions and its leading digits.
var perRegion = int32(len(descriptions) + 1)

// metadata returns libphonenumber's data by region ("US") or, for codes without a region, by code ("001" and the code).
var metadata = sync.OnceValues(func() (map[string]*phonenumbers.PhoneMetadata, error) {
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		return nil, fmt.Errorf("read the metadata of phone numbers: %w", err)
	}
	byID := make(map[string]*phonenumbers.PhoneMetadata)
	sum := sha256.New()
	for _, m := range all.GetMetadata() {
		id := m.GetId()
		if id == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
			id = fmt.Sprint(id, m.GetCountryCode())
		}
		byID[id] = m
		fmt.Fprintln(sum, id, m.GetCountryCode(), m.GetNationalPrefix(), m.GetNationalPrefixForParsing(), m.GetLeadingDigits(), m.GetSameMobileAndFixedLinePattern())
		for _, d := range descriptions {
			fmt.Fprintln(sum, d.of(m).GetNationalNumberPattern(), d.of(m).GetPossibleLength())
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		return nil, fmt.Errorf("the metadata of phone numbers has digest %s, but version %d of the mask is made for %s", got, version, digest)
	}
	return byID, nil
})

var plans sync.Map // country code to func() (*plan, error)

// planOf returns the plan of a country code, or nil for one that is not in use. The first call for a code takes some
// milliseconds.
func planOf(country int) (*plan, error) {
	if !phonenumbers.GetSupportedCallingCodes()[country] {
		return nil, nil
	}
	made, ok := plans.Load(country)
	if !ok {
		made, _ = plans.LoadOrStore(country, sync.OnceValues(func() (*plan, error) { return newPlan(country) }))
	}
	return made.(func() (*plan, error))()
}

func newPlan(country int) (*plan, error) {
	byID, err := metadata()
	if err != nil {
		return nil, err
	}
	p := &plan{country: fmt.Sprint(country), spaces: map[spaceID]*space{}}
	var patterns []string
	for _, id := range phonenumbers.GetRegionCodesForCountryCode(country) {
		key := id
		if id == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
			key = fmt.Sprint(id, country)
		}
		m := byID[key]
		if m == nil {
			return nil, fmt.Errorf("there is no metadata of phone numbers in %s", key)
		}
		p.regions = append(p.regions, region{id: id, meta: m, first: int32(len(patterns))})
		for _, d := range descriptions {
			patterns = append(patterns, d.of(m).GetNationalNumberPattern())
		}
		leading := m.GetLeadingDigits()
		if leading != "" {
			leading = "(?:" + leading + `)\d*`
		}
		patterns = append(patterns, leading)
	}
	if len(p.regions) == 0 {
		return nil, fmt.Errorf("country code %d has no region", country)
	}
	home := p.regions[0].meta
	p.prefix = home.GetNationalPrefix()
	prefixed := home.GetNationalPrefixForParsing()
	if prefixed != "" {
		prefixed = "(?:" + prefixed + ")(?:" + home.GetGeneralDesc().GetNationalNumberPattern() + ")"
	}
	patterns = append(patterns, prefixed)
	p.auto, err = newAutomaton(patterns)
	if err != nil {
		return nil, fmt.Errorf("country code %d: %w", country, err)
	}
	return p, nil
}

// classify returns the class of a national number.
func (p *plan) classify(nsn []byte) class { return p.classAt(p.auto.run(nsn), len(nsn)) }

// classAt returns the class of the national numbers of n digits that end in a state.
func (p *plan) classAt(state int32, n int) class {
	matches := p.auto.matches[state]
	c := p.regionAt(matches, n)
	c.ambiguous = slices.Contains(matches, int32(len(p.regions))*perRegion)
	return c
}

// regionAt follows libphonenumber in asking which region a number belongs to.
func (p *plan) regionAt(matches []int32, n int) class {
	for i := range p.regions {
		r := &p.regions[i]
		if len(p.regions) > 1 && r.meta.GetLeadingDigits() != "" {
			if !slices.Contains(matches, r.first+perRegion-1) {
				continue
			}
			return r.classify(matches, n)
		}
		if c := r.classify(matches, n); c.valid() {
			return c
		}
	}
	return invalid
}

// classify follows libphonenumber's order of questions for one region.
func (r *region) classify(matches []int32, n int) class {
	is := func(i int) bool {
		if !slices.Contains(matches, r.first+int32(i)) {
			return false
		}
		lengths := descriptions[i].of(r.meta).GetPossibleLength()
		return len(lengths) == 0 || slices.Contains(lengths, int32(n))
	}
	if !is(0) {
		return invalid
	}
	fixed, mobile := len(descriptions)-2, len(descriptions)-1
	for i := 1; i < fixed; i++ {
		if is(i) {
			return class{region: r.id, kind: descriptions[i].kind}
		}
	}
	same := r.meta.GetSameMobileAndFixedLinePattern()
	switch {
	case is(fixed) && (same || is(mobile)):
		return class{region: r.id, kind: phonenumbers.FIXED_LINE_OR_MOBILE}
	case is(fixed):
		return class{region: r.id, kind: phonenumbers.FIXED_LINE}
	case !same && is(mobile):
		return class{region: r.id, kind: phonenumbers.MOBILE}
	default:
		return invalid
	}
}

// spaceID names the national numbers of one class and length.
type spaceID struct {
	class  class
	digits int
}

// space is all national numbers of one class and length in ascending order, so that they can be numbered.
type space struct {
	auto *automaton
	// ways has, for r digits still to come and each state, how many completions are in the space.
	ways [][]uint64
	size uint64
}

// spaceOf returns a space of the plan.
func (p *plan) spaceOf(id spaceID) *space {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.spaces[id]; s != nil {
		return s
	}
	states := len(p.auto.next)
	s := &space{auto: p.auto, ways: make([][]uint64, id.digits+1)}
	for r := range s.ways {
		row := make([]uint64, states)
		for state := range row {
			if r == 0 {
				if p.classAt(int32(state), id.digits) == id.class {
					row[state] = 1
				}
				continue
			}
			for _, next := range p.auto.next[state] {
				row[state] += s.ways[r-1][next]
			}
		}
		s.ways[r] = row
	}
	s.size = s.ways[id.digits][0]
	p.spaces[id] = s
	return s
}

// rank returns how many numbers of the space come before nsn.
func (s *space) rank(nsn []byte) uint64 {
	state, rank := int32(0), uint64(0)
	for i, c := range nsn {
		ways := s.ways[len(nsn)-1-i]
		next := &s.auto.next[state]
		for d := range c - '0' {
			rank += ways[next[d]]
		}
		state = next[c-'0']
	}
	return rank
}

// unrank overwrites nsn with the number of the space at a rank below its size.
func (s *space) unrank(nsn []byte, rank uint64) {
	state := int32(0)
	for i := range nsn {
		ways := s.ways[len(nsn)-1-i]
		next := &s.auto.next[state]
		d := 0
		for ; d < 9 && rank >= ways[next[d]]; d++ {
			rank -= ways[next[d]]
		}
		nsn[i] = byte('0' + d)
		state = next[d]
	}
}
