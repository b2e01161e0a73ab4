package status

import (
	"context"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Watch looks at the host at once and then every so often, and gives each look to show
// with the time it was taken at. It ends without an error when the context does, which
// is how a watch is ended, and with the error of the first look or show that fails.
// A look that takes longer than the interval leaves the next ones out, it never queues.
func Watch(ctx context.Context, h *host.Host, every time.Duration, show func(*Status) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		now := time.Now()
		st, err := Look(ctx, h)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		st.Time = &now
		if err := show(st); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
