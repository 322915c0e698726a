// Package client is the HTTP API of the gateway as Go sees it: the documents that go over the wire, which the gateway
// uses too, and a client for them.
//
//	c, err := client.New(client.Config{BaseURL: url, Token: token}, client.Deps{})
//	started, err := c.StartRun(ctx, client.RunRequest{Policy: "nightly"})
//	for event, err := range c.Events(ctx, started.Run, client.EventsOptions{}) { … }
//
// Every error has a class, a code and a hint (see package fault). What the server said about it is a *Problem in its chain.
package client
