// Package api holds the resource kinds of tranship.io/v1alpha1: what a user writes into a file, a custom resource or the
// body of an HTTP request.
//
// The way of a resource is always the same: [Decode] reads it strictly, [Resource.Default] fills in what may be left out,
// [Resource.Validate] judges it alone and [Set.Check] judges it beside the resources that it names. All problems are
// reported at once, each with the path of its field, and none repeats a value that could be a secret.
package api
