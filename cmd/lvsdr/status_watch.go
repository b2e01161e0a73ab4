package main

import (
	"context"
	"errors"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/status"
)

// shortestInterval keeps a watch from being a load of its own.
const shortestInterval = 100 * time.Millisecond

// intervalOf is how often to look, 0 for once.
func intervalOf(c *cli.Command) (time.Duration, error) {
	switch {
	case !c.Bool("watch") && c.IsSet("interval"):
		return 0, usage("--interval is how often --watch looks: it does not go alone")
	case !c.Bool("watch"):
		return 0, nil
	case c.String("output") == prometheus:
		e := usage("--watch does not go with --output prometheus: a file of metrics is one look")
		e.hint = "have a timer run lvsdr status -o prometheus"
		return 0, e
	case !c.IsSet("interval"):
		return time.Second, nil
	}
	every, err := parseOne(c, "interval", cluster.ParseDuration)
	if err != nil {
		return 0, err
	}
	if time.Duration(every) < shortestInterval {
		return 0, usage("--interval %q: not less than %v", c.String("interval"), shortestInterval)
	}
	return time.Duration(every), nil
}

// watchStatus shows look after look until a signal comes or nobody reads any more,
// both of which are how one ends a watch, and no failure.
func (s *session) watchStatus(ctx context.Context, every time.Duration) error {
	signal.Ignore(syscall.SIGPIPE) // which would kill: the write fails instead
	defer signal.Reset(syscall.SIGPIPE)
	out := s.stdout.(*written)
	err := status.Watch(ctx, s.sys.host(), every, func(st *status.Status) error {
		s.showLook(st, every)
		return out.err
	})
	if out.err == nil {
		return err
	}
	if errors.Is(out.err, syscall.EPIPE) {
		out.err = nil
	}
	return nil // finish tells what else could not be written
}

// showLook writes one look at once: a document, a repainted screen, or one more text.
func (s *session) showLook(st *status.Status, every time.Duration) {
	if s.json {
		_ = s.document(st) // watchStatus looks whether it could be written
		return
	}
	var text strings.Builder
	o := *s.output
	o.stdout = &text
	o.printf("time      %s, every %v", st.Time.Format(time.RFC3339), every)
	printStatus(&o, st)
	if s.sys.terminal && s.sys.getenv("TERM") != "dumb" {
		_, _ = s.stdout.Write([]byte(repainted(text.String(), s.sys.height())))
		return
	}
	s.printf("%s", text.String()) // with an empty line behind it
}

// What a terminal obeys (console_codes(4)).
const (
	home       = "\x1b[H"
	clearRight = "\x1b[K"
	clearBelow = "\x1b[J"
	noWrap     = "\x1b[?7l"
	wrapAgain  = "\x1b[?7h"
)

// repainted is a text that takes the place of the one before it, without flicker:
// each line clears what is left of the old one. Of a text that is higher than the
// terminal only its beginning is shown, and of a line that is wider.
func repainted(text string, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 1 && len(lines) > height-1 {
		lines = append(lines[:height-2], "…")
	}
	return home + noWrap + strings.Join(lines, clearRight+"\n") + clearRight + "\n" + clearBelow + wrapAgain
}
