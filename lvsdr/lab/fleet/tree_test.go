//go:build linux

package fleet_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// TestTrees makes each Debian where it is missing, which takes minutes: alone, it makes
// the others ready. One that is there is taken as it is.
func TestTrees(t *testing.T) {
	suites(t, func(t *testing.T, suite string) {
		tree, err := fleet.Tree(t.Context(), os.Getenv("LVSDR_FLEET"), suite)
		must(t, err)
		for _, program := range []string{"usr/lib/systemd/systemd", "usr/sbin/keepalived", "usr/bin/nmcli"} {
			if _, err := os.Stat(filepath.Join(tree, program)); err != nil {
				t.Error(err)
			}
		}
		start := time.Now()
		again, err := fleet.Tree(t.Context(), os.Getenv("LVSDR_FLEET"), suite)
		must(t, err)
		if took := time.Since(start); again != tree || took > 10*time.Second {
			t.Errorf("asked again, it is %s after %v, not %s at once", again, took, tree)
		}
	})
}
