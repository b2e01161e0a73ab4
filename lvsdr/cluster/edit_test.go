package cluster_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

const edited = `# our cluster
services:
  - vip: 10.10.10.22   # the shop
    ports: [80, 443]
    realServers:
      - {address: 10.10.10.31, weight: 1} # the old one
      - address: "10.10.10.32"  # the new one
        # twice as fast
        weight: 2
      - {address: 10.10.10.33}
  - vip: 10.10.10.23
    scheduler: sh
    realServers: [{address: 10.10.10.31}, {address: 10.10.10.33, drained: true, weight: 3}]
drain: 5s
`

func TestServerEditKeepsTheText(t *testing.T) {
	yes, no, five := true, false, 5
	addr := netip.MustParseAddr
	only := func(s cluster.Service) bool { return s.VIP == addr("10.10.10.22") }
	for name, c := range map[string]struct {
		edit cluster.ServerEdit
		want map[string]string // lines and what becomes of them
	}{
		"weight, both ways": {cluster.ServerEdit{Address: addr("10.10.10.31"), Weight: &five}, map[string]string{
			"      - {address: 10.10.10.31, weight: 1} # the old one":                                     "      - {address: 10.10.10.31, weight: 5} # the old one",
			"    realServers: [{address: 10.10.10.31}, {address: 10.10.10.33, drained: true, weight: 3}]": "    realServers: [{address: 10.10.10.31, weight: 5}, {address: 10.10.10.33, drained: true, weight: 3}]",
		}},
		"drained, a block": {cluster.ServerEdit{Address: addr("10.10.10.32"), Drained: &yes}, map[string]string{
			`      - address: "10.10.10.32"  # the new one`: "      - address: \"10.10.10.32\"  # the new one\n        drained: true",
		}},
		"drained, in one service": {cluster.ServerEdit{Address: addr("10.10.10.33"), Drained: &yes, Only: only}, map[string]string{
			"      - {address: 10.10.10.33}": "      - {address: 10.10.10.33, drained: true}",
		}},
		"undrained": {cluster.ServerEdit{Address: addr("10.10.10.33"), Drained: &no}, map[string]string{
			"    realServers: [{address: 10.10.10.31}, {address: 10.10.10.33, drained: true, weight: 3}]": "    realServers: [{address: 10.10.10.31}, {address: 10.10.10.33, weight: 3}]",
		}},
		"weight ends a drain": {cluster.ServerEdit{Address: addr("10.10.10.33"), Weight: &five, Drained: &no}, map[string]string{
			"      - {address: 10.10.10.33}": "      - {address: 10.10.10.33, weight: 5}",
			"    realServers: [{address: 10.10.10.31}, {address: 10.10.10.33, drained: true, weight: 3}]": "    realServers: [{address: 10.10.10.31}, {address: 10.10.10.33, weight: 5}]",
		}},
		"removed": {cluster.ServerEdit{Address: addr("10.10.10.31"), Remove: true}, map[string]string{
			"      - {address: 10.10.10.31, weight: 1} # the old one":                                     "",
			"    realServers: [{address: 10.10.10.31}, {address: 10.10.10.33, drained: true, weight: 3}]": "    realServers: [{address: 10.10.10.33, drained: true, weight: 3}]",
		}},
		"removed, a block": {cluster.ServerEdit{Address: addr("10.10.10.32"), Remove: true}, map[string]string{
			`      - address: "10.10.10.32"  # the new one`: "", "        # twice as fast": "", "        weight: 2": "",
		}},
		"nothing to do": {cluster.ServerEdit{Address: addr("10.10.10.32"), Drained: &no}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.edit.Write("c.yaml", []byte(edited))
			if err != nil {
				t.Fatal(err)
			}
			if want := replaced(edited, c.want); string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			again, err := c.edit.Write("c.yaml", got)
			if err != nil || string(again) != string(got) {
				t.Errorf("a second time: %v\n%s", err, again)
			}
		})
	}
}

// What others share, or cannot be placed, is left to a person.
func TestServerEditByHand(t *testing.T) {
	five := 5
	edit := cluster.ServerEdit{Address: netip.MustParseAddr("10.10.10.31"), Weight: &five,
		Only: func(s cluster.Service) bool { return s.VIP == netip.MustParseAddr("10.10.10.22") }}
	const shared = "services:\n  - {vip: 10.10.10.22, realServers: &all [{address: 10.10.10.31}]}\n  - {vip: 10.10.10.23, realServers: *all}\n"
	if got, err := edit.Write("c.yaml", []byte(shared)); !errors.Is(err, cluster.ErrByHand) {
		t.Errorf("%v\n%s", err, got)
	}
	edit.Only = nil // then it is the same for both
	if got, err := edit.Write("c.yaml", []byte(shared)); err != nil || string(got) != "services:\n  - {vip: 10.10.10.22, realServers: &all [{address: 10.10.10.31, weight: 5}]}\n  - {vip: 10.10.10.23, realServers: *all}\n" {
		t.Errorf("%v\n%s", err, got)
	}
}

// A real server that is drained has weight 0 and its scheduler a way around it.
func TestDrainedInTheTable(t *testing.T) {
	c, err := cluster.ParseConfig("c.yaml", []byte(edited))
	if err != nil {
		t.Fatal(err)
	}
	last := c.VirtualServices()[2]
	if d := last.Destinations[1]; d.Weight != 0 {
		t.Errorf("weight %d", d.Weight)
	}
	if names := last.Flags.Of("sh"); len(names) != 1 || names[0] != "sh-fallback" {
		t.Errorf("flags %v", names)
	}
}

// replaced has lines replaced by others, or taken out by none.
func replaced(text string, lines map[string]string) string {
	out := ""
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		to, ok := lines[line]
		switch {
		case !ok:
			out += line + "\n"
		case to != "":
			out += to + "\n"
		}
	}
	return out
}
