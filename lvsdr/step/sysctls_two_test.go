package step_test

import (
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// What a director needs because there is another one.
func TestSysctlsOfTwoDirectors(t *testing.T) {
	const moved, synced = "directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]\nvrrp: {}\n", "sync: {interface: eth0}\n"
	const one, web = "services:\n", "  - {vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}\n"
	const hashed = "  - {vip: 10.10.10.23, scheduler: sh, realServers: [{address: 10.10.10.31}]}\n"
	const names = "  - {vip: 10.10.10.24, ports: [53/udp], realServers: [{address: 10.10.10.31}]}\n"
	const threshold, refresh, sloppy = "sync_threshold", "sync_refresh_period", "sloppy_tcp"
	for text, want := range map[string][]string{
		one + web:                           nil,
		one + hashed:                        nil,
		synced + one + web:                  {threshold, refresh},
		moved + one + web:                   nil,
		moved + one + hashed:                {sloppy},
		moved + one + hashed + names:        {sloppy},
		moved + one + names:                 nil,
		moved + one + hashed + web:          nil,
		moved + synced + one + hashed:       {threshold, refresh, sloppy},
		moved + synced + one + hashed + web: {threshold, refresh},
	} {
		c, err := cluster.ParseConfig("cluster.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var got []string
		for _, s := range step.SysctlsOf(cluster.DirectorRole, c) {
			for _, name := range []string{threshold, refresh, sloppy} {
				if s.Key == "net/ipv4/vs/"+name {
					got = append(got, name)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", text, got, want)
		}
	}
}
