// Package tree is the format of a shard of a file tree: a PAX tar archive whose entries stand in walk order, and the
// canonical line by which an entry is measured.
//
// Walk order is that of a walk which goes into a directory right after naming it and takes names in the order of their
// bytes: see Compare. An archive in any other order, with a path twice, or with a path that leads out of the tree is
// refused, so whoever unpacks one needs no rules of its own.
//
// Paths in an archive are the exact bytes of the file system; the root of the tree is ".". Where text is needed, in
// catalogues, rules and messages, a path is written as its ID.
//
// The package knows nothing of file systems.
package tree
