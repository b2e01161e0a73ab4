package lvsdr_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

const moduleOptions = "/etc/modprobe.d/lvsdr.conf"

// due are the changes that a director is short of.
func due(t *testing.T, c cluster.Config, h *host.Host) (all []string) {
	t.Helper()
	role, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := role.Plan(t.Context(), h, step.Present)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		all = append(all, c.String())
	}
	return all
}

// The rows of the connection table are an option of the module: written before the module
// is loaded, told where that comes too late, and taken away with the role.
func TestConnTabBits(t *testing.T) {
	h := lvsdrtest.Director("ip addr del 10.10.10.30/24 dev eth0", "ip addr add 10.10.10.30/16 dev eth0").Host()
	plain, tuned, other := many(1, 2), many(1, 2), many(1, 2)
	tuned.Tuning.ConnTabBits, other.Tuning.ConnTabBits = 20, 18
	if got := due(t, tuned, h); !slices.Contains(got, "add "+moduleOptions) ||
		slices.Index(got, "add "+moduleOptions) > slices.Index(got, "add module ip_vs") {
		t.Errorf("%q", got)
	}
	role, err := lvsdr.Director(tuned)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := role.Apply(t.Context(), h, step.Present); err != nil {
		t.Fatal(err)
	}
	if data, err := h.Files.ReadFile(moduleOptions); err != nil || !strings.Contains(string(data), "\noptions ip_vs conn_tab_bits=20\n") {
		t.Errorf("%q, %v", data, err)
	}
	for _, test := range []struct {
		config cluster.Config
		want   []string
	}{
		{tuned, nil}, {plain, []string{"remove " + moduleOptions}},
		{other, []string{"set " + moduleOptions + ": conn_tab_bits=18, which takes a reboot: ip_vs is loaded"}},
	} {
		if got := due(t, test.config, h); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %q", test.config.Tuning, got)
		}
	}
	for rows, want := range map[string]doctor.Severity{"12": doctor.Warning, "20": doctor.OK} {
		if err := h.Files.WriteFile("/sys/module/ip_vs/parameters/conn_tab_bits", []byte(rows+"\n"), 0o444); err != nil {
			t.Fatal(err)
		}
		for _, f := range role.Doctor(t.Context(), h) {
			if f.Check == "modules-boot" && f.Severity != want {
				t.Errorf("of 2^%s rows: %+v", rows, f)
			}
		}
	}
	if _, err := role.Down(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if data, err := h.Files.ReadFile(moduleOptions); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %q, %v", data, err)
	}
}

// An image boots with the rows that are described.
func TestConnTabBitsOfAnImage(t *testing.T) {
	h := lvsdrtest.Director("ip addr del 10.10.10.30/24 dev eth0", "ip addr add 10.10.10.30/16 dev eth0").Host()
	h.Image = true
	c := many(1, 2)
	c.Tuning.ConnTabBits = 20
	if got := due(t, c, h); !slices.Contains(got, "add "+moduleOptions) {
		t.Errorf("%q", got)
	}
}
