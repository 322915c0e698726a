package artifact

// work hashes, deduplicates, compresses and seals chunks until the session ends.
func (s *Session) work(jobs <-chan *job) {
	e := &encoder{codec: s.config.Codec}
	for {
		select {
		case j := <-jobs:
			s.process(e, j)
		case <-s.done:
			return
		}
	}
}

func (s *Session) process(e *encoder, j *job) {
	c := j.state
	packed := j.packed
	store := j.claimed
	if !j.claimed {
		c.plain, c.flags = s.digest(j.plain, c.flags)
		if c.flags&flagZero == 0 {
			c.id = s.repo.keys.chunk(c.plain)
		}
		s.mu.Lock()
		store = s.claim(c)
		uploadsWait := s.queued >= s.config.Uploads
		s.mu.Unlock()
		if store {
			packed = e.encode(j.plain, uploadsWait)
		}
	}
	if store {
		s.seal(c, packed)
	}
	if j.plain != nil {
		s.recycle(j.plain)
	}
	s.mu.Lock()
	s.inWork--
	s.changed.Broadcast()
	s.mu.Unlock()
}

// digest returns the plain digest of a chunk and marks whole blocks of zeros.
func (s *Session) digest(plain []byte, flags uint8) (Digest, uint8) {
	if len(plain) == s.repo.format.Chunker.Block && isZero(plain) {
		return s.zeroBlock, flags | flagZero
	}
	return plainDigest(plain), flags
}

// claim finds out where a chunk lies or will lie, and reports whether the caller is the one to store it. s.mu is held.
func (s *Session) claim(c *chunkState) (store bool) {
	c.done = true
	s.stats.Chunks++
	s.stats.Bytes += int64(c.raw)
	if c.flags&flagZero != 0 {
		s.stats.Skipped += int64(c.raw)
		return false
	}
	if c.slot = s.fresh[c.id]; c.slot != nil {
		s.stats.Skipped += int64(c.raw)
		return false
	}
	var known bool
	if c.place, known = s.known.places[c.id]; known && c.place.raw == c.raw {
		s.stats.Skipped += int64(c.raw)
		return false
	}
	c.slot = &slot{}
	c.first = true
	s.fresh[c.id] = c.slot
	return true
}

// seal finds room for a chunk and seals it there. Other workers seal into the same pack meanwhile.
func (s *Session) seal(c *chunkState, packed []byte) {
	n := len(packed) + tagSize
	s.mu.Lock()
	p := s.room(n)
	if p == nil {
		s.mu.Unlock()
		return
	}
	offset := p.reserve(c.id, c.plain, n, c.raw)
	c.slot.offset, c.slot.length, c.slot.pack = offset, uint32(n), p
	s.stats.Stored += int64(n)
	s.mu.Unlock()

	nonce := chunkNonce(p.seq, offset)
	s.sealer.Seal(p.buf[offset:offset:int(offset)+n], nonce[:], packed, s.repo.domain.chunkAAD(c.id))

	s.mu.Lock()
	defer s.mu.Unlock()
	if p.sealing--; p.closed && p.sealing == 0 {
		s.send(p)
	}
}

// room returns a pack with room for n bytes, or nil when the session has failed. s.mu is held, and given up while it waits
// for a pack to be sent.
func (s *Session) room(n int) *pack {
	for s.failure == nil {
		if s.open != nil {
			if s.open.fits(n) {
				return s.open
			}
			s.rotate()
			continue
		}
		var buf []byte
		switch {
		case len(s.free) > 0:
			buf = s.free[len(s.free)-1]
			s.free = s.free[:len(s.free)-1]
		case s.made <= s.config.Uploads:
			s.made++
			buf = newPackBuffer()
		default:
			s.changed.Wait()
			continue
		}
		s.open = &pack{seq: s.seq, buf: buf}
		s.seq++
	}
	return nil
}
