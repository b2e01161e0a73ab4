package boot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// A file that is read twice has the same declarations in the same order: a report does
// not change from run to run.
func TestAddressesInOrder(t *testing.T) {
	var text strings.Builder
	var want []string
	text.WriteString("network:\n")
	for k, kind := range []string{"bonds", "bridges", "ethernets", "vlans"} {
		fmt.Fprintf(&text, "  %s:\n", kind)
		for i := range 8 {
			addr := fmt.Sprintf("10.10.%d.%d", k, i)
			fmt.Fprintf(&text, "    link%d: {addresses: [%s/24]}\n", i, addr)
			want = append(want, addr)
		}
	}
	w := lvsdrtest.New()
	if err := w.Run("mkdir -p /etc/netplan"); err != nil {
		t.Fatal(err)
	}
	files := w.Host().Files
	if err := files.WriteFile("/etc/netplan/50-cloud-init.yaml", []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		all, err := boot.Addresses(files)
		var got []string
		for _, d := range all {
			got = append(got, d.Addr.String())
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}
