//go:build linux

package gallery

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

func TestMine(t *testing.T) {
	lab.Need(t, lab.Guest, lab.Netns, lab.IPVS)
	for _, f := range Faults() {
		if only := os.Getenv("LVSDR_FAULT"); only != "" && only != f.Name {
			continue
		}
		ctx := context.Background()
		c, err := NewCluster(ctx, f.Setup, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Inject(ctx, c); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		start := time.Now()
		found, err := c.Diagnose(ctx, c.names()...)
		took := time.Since(start)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		for _, h := range c.names() {
			mark := "ok  "
			if !slices.Equal(Bad(found[h]), f.wanted(h)) {
				mark = "DIFF"
			}
			fmt.Printf("%s %s %v %s: %v want %v\n%s", mark, f.Name, took.Round(10*time.Millisecond), h, Bad(found[h]), f.wanted(h), told(found[h]))
		}
		c.Close()
	}
}
