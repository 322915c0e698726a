// Package keyfile holds the file formats of Tranship's keys.
//
// A key file is one line of text: a header that says what the key is, and the key in unpadded base64url. Files are created
// for their owner only and never overwritten. Every key has an id, which is safe to show: sixteen hexadecimal characters
// that say which key it is and nothing about it.
//
//	TRANSHIP-LOCATION-PRIVATE-KEY-1 …   opens what was sealed to a location's public key (tspub1…)
//	TRANSHIP-WRITER-KEY-1 …             names and finds chunks of a location
//	TRANSHIP-MASKING-KEY-1 …            one epoch of a masking policy
//	TRANSHIP-SIGNING-KEY-1 …            signs manifests; its public key is tssig1…
package keyfile
