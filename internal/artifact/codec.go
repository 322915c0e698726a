package artifact

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Codec says how chunks are compressed.
type Codec string

// The codecs. Whatever a session uses, a chunk that does not shrink is stored as it is.
const (
	// Auto takes S2 while the processor is the limit and Zstd while uploads are.
	Auto  Codec = ""
	Store Codec = "store"
	S2    Codec = "s2"
	Zstd  Codec = "zstd"
)

// The first byte of what is sealed as a chunk says how the rest is compressed.
const (
	codecStore byte = 0
	codecS2    byte = 1
	codecZstd  byte = 2
)

const (
	probeSize = 64 << 10
	// shrinks tells whether compression is worth it: at least 3 %.
	worthNum, worthDen = 97, 100
)

// encoder compresses chunks for one goroutine.
type encoder struct {
	codec Codec
	zstd  *zstd.Encoder // made at first use
	out   []byte
	probe []byte
}

// encode returns codec byte and compressed chunk, valid until the next call. uploadsWait says that the network is the limit.
func (e *encoder) encode(plain []byte, uploadsWait bool) []byte {
	if e.codec != Store && e.shrinks(plain) {
		if e.codec == Zstd || e.codec == Auto && uploadsWait {
			e.encodeZstd(plain)
		} else {
			e.encodeS2(plain)
		}
		if worth(len(e.out), len(plain)) {
			return e.out
		}
	}
	e.out = append(append(e.out[:0], codecStore), plain...)
	return e.out
}

// shrinks tries a part from the middle, where headers do not mislead.
func (e *encoder) shrinks(plain []byte) bool {
	if len(plain) < 64 {
		return false
	}
	sample := plain
	if len(sample) > 2*probeSize {
		at := (len(plain) - probeSize) / 2
		sample = plain[at : at+probeSize]
	} else if len(sample) <= probeSize {
		return true // the probe would be the whole work
	}
	if e.probe == nil {
		e.probe = make([]byte, s2.MaxEncodedLen(2*probeSize))
	}
	return worth(len(s2.Encode(e.probe, sample)), len(sample))
}

func worth(packed, plain int) bool { return packed*worthDen <= plain*worthNum }

func (e *encoder) encodeS2(plain []byte) {
	need := 1 + s2.MaxEncodedLen(len(plain))
	if cap(e.out) < need {
		e.out = make([]byte, need)
	}
	e.out = e.out[:need]
	e.out[0] = codecS2
	e.out = e.out[:1+len(s2.Encode(e.out[1:], plain))]
}

func (e *encoder) encodeZstd(plain []byte) {
	if e.zstd == nil {
		e.zstd = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20)))
	}
	e.out = e.zstd.EncodeAll(plain, append(e.out[:0], codecZstd))
}

// chunkDecoder is safe for concurrent use of DecodeAll.
var chunkDecoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxChunk)))

var errCodec = errors.New("it is not compressed as it says")

// decode returns the plain chunk of raw bytes. packed is codec byte and compressed chunk; the result may alias it.
func decode(packed []byte, raw int) ([]byte, error) {
	if len(packed) == 0 {
		return nil, errCodec
	}
	body := packed[1:]
	switch packed[0] {
	case codecStore:
		if len(body) != raw {
			return nil, errCodec
		}
		return body, nil
	case codecS2:
		if n, err := s2.DecodedLen(body); err != nil || n != raw {
			return nil, errCodec
		}
		out, err := s2.Decode(make([]byte, raw), body)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCodec, err)
		}
		return out, nil
	case codecZstd:
		out, err := chunkDecoder.DecodeAll(body, make([]byte, 0, raw))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCodec, err)
		}
		if len(out) != raw {
			return nil, errCodec
		}
		return out, nil
	}
	return nil, fmt.Errorf("codec %d is not known", packed[0])
}
