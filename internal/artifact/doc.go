// Package artifact is the repository of captures: streams of bytes, cut into chunks, deduplicated, compressed, sealed and
// kept in an object store, with a signed manifest that makes a capture of them.
//
// Everything is written once and never changed, so a writer that died leaves nothing half-done: what is durable is found
// again, and what has no manifest is no capture. FORMAT.md beside this file has the layout byte by byte.
//
// A Repository is one application's share of one location. A Session writes streams into it, for one claim of one task.
// Commit writes the manifest that makes the streams of all sessions one capture. A holder of the public key and the writer
// key can write, resume and deduplicate, and cannot read a byte of the content; that takes the private key.
package artifact
