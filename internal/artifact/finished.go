package artifact

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// FinishedStreams returns the streams of a capture that are complete, by name: those that another claim need not capture
// again. It needs the writer key only.
func (r *Repository) FinishedStreams(ctx context.Context, capture ID) (map[string]Artifact, error) {
	if err := r.checkTrust(capture); err != nil {
		return nil, err
	}
	if err := r.needIndex("look for finished streams"); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	finished := map[string]Artifact{}
	prefix := "c/" + capture.String() + "/"
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadParallel)
	for info, err := range r.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, errors.Join(fmt.Errorf("look for finished streams of capture %s: %w", capture, err), g.Wait())
		}
		name := string(info.Key)[len(prefix):]
		if validateStream(name) != nil {
			continue // the manifest, the draft and the like
		}
		g.Go(func() error {
			c, err := r.readRecipe(gctx, capture.String(), name)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			finished[name] = c.artifact
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return finished, nil
}
