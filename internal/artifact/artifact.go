package artifact

// Chunking says where a stream may be cut.
type Chunking string

// The ways of cutting.
const (
	// Lines cuts by content and only after a newline, so that every chunk holds whole rows. A row of more than 8 MiB goes on
	// in the next chunk, which says so.
	Lines Chunking = "lines"
	// Stream cuts by content, anywhere.
	Stream Chunking = "stream"
	// Blocks cuts every MiB and stores no block of zeros.
	Blocks Chunking = "blocks"
)

// Artifact is one stream of a capture as its manifest lists it.
type Artifact struct {
	Stream   string   `json:"stream"` // names the recipe: c/<capture>/<stream>; tells nothing of the content
	Chunking Chunking `json:"chunking"`
	Bytes    int64    `json:"bytes"`  // plain
	Stored   int64    `json:"stored"` // that this capture added to the store
	Chunks   int64    `json:"chunks"`
	// Plain is the chained digest over the plain chunks. It is equal for equal content cut under the same writer key, or
	// copied from such a stream.
	Plain Digest `json:"plain"`
	// Recipe is the digest of the recipe object.
	Recipe Digest `json:"recipe"`
}
