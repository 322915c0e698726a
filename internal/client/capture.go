package client

import "time"

// Capture is the part of a manifest that needs no key to be read. Nobody has verified its signatures.
type Capture struct {
	ID          string            `json:"id"`
	Application string            `json:"application"`
	Location    string            `json:"location"`
	Trust       string            `json:"trust"` // raw or masked
	Run         string            `json:"run"`
	Created     time.Time         `json:"created"` // the moment that the copy shows
	Builder     string            `json:"builder,omitempty"`
	Digest      string            `json:"digest"` // of the manifest
	Root        string            `json:"root"`   // over the content; equal for equal content
	Streams     int64             `json:"streams"`
	Bytes       int64             `json:"bytes"`  // plain
	Stored      int64             `json:"stored"` // that the capture added to the location
	Retired     bool              `json:"retired,omitempty"`
	Verified    []string          `json:"verified,omitempty"` // runs that restored it and found it equal
	Masking     *Masking          `json:"masking,omitempty"`
	Parents     []Parent          `json:"parents,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`    // for retention
	Artifacts   []Artifact        `json:"artifacts,omitempty"` // of a single capture; a list leaves them out
}

// Masking says how a masked capture was made.
type Masking struct {
	Policy  string `json:"policy"` // digest
	Epoch   int    `json:"epoch"`
	Engine  string `json:"engine"`
	Verdict string `json:"verdict,omitempty"`
}

// Parent is a capture that another came from.
type Parent struct {
	Relation string `json:"relation"`
	Capture  string `json:"capture,omitempty"`
	Manifest string `json:"manifest"` // digest
}

// Artifact is the size of one stream.
type Artifact struct {
	Stream string `json:"stream"`
	Bytes  int64  `json:"bytes"`
	Stored int64  `json:"stored"`
	Chunks int64  `json:"chunks"`
}

// CaptureList is a page of captures, by application and id.
type CaptureList struct {
	Items []Capture `json:"items"`
	Next  string    `json:"next,omitempty"` // After of the next page; empty: there is none
	// Unreadable lists what is wrong with captures that could not be read.
	Unreadable []string `json:"unreadable,omitempty"`
}

// CapturesQuery selects a page of captures.
type CapturesQuery struct {
	Location    string // required
	Application string // all of the tenant's when empty
	Limit       int    // 1 to MaxCaptures; 0: 100
	After       string // Next of the page before; empty: the first page
}

// MaxCaptures is the largest page of captures.
const MaxCaptures = 1000
