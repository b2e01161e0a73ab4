package doctor_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// What a host shows of the cluster is what it was set up with, whoever did it.
func TestFound(t *testing.T) {
	const described = `services:
  - {vip: 10.10.10.22, ports: [80, 443, 53/udp], scheduler: wlc, persistence: 20s, persistenceNetmask: 24,
     realServers: [{address: 10.10.10.31, weight: 3}, {address: 10.10.10.32}]}
  - {vip: "fd00:10::22", scheduler: sh, schedulerFlags: [sh-port], realServers: [{address: "fd00:10::31", upperThreshold: 9}]}
timeouts: {tcp: 30s, tcpFin: 5s, udp: 1m}
`
	want, err := cluster.ParseConfig("cluster.yaml", []byte(described))
	if err != nil {
		t.Fatal(err)
	}
	director := lvsdrtest.Director()
	role, err := lvsdr.Director(want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := role.Up(t.Context(), director.Host()); err != nil {
		t.Fatal(err)
	}
	for _, foreign := range []string{
		"ipvsadm -A -t 10.10.10.23:80 -s sh", "ipvsadm -a -t 10.10.10.23:80 -r 10.10.10.31:80 -m", "ipvsadm -A -f 7 -s wlc",
	} {
		if err := director.Run(foreign); err != nil {
			t.Fatal(err)
		}
	}
	got, err := doctor.Found(t.Context(), director.Host(), cluster.DirectorRole)
	if err != nil || !got.Equal(want) {
		t.Errorf("found %+v, %v\nwant %+v", got, err, want)
	}
	if len(got.Services) != 2 {
		t.Errorf("%d services found, want 2", len(got.Services))
	}

	server := lvsdrtest.RealServer()
	if role, err = lvsdr.RealServer(want); err != nil {
		t.Fatal(err)
	}
	if _, err := role.Up(t.Context(), server.Host()); err != nil {
		t.Fatal(err)
	}
	got, err = doctor.Found(t.Context(), server.Host(), cluster.RealServerRole)
	if err != nil || len(got.Services) != 2 || len(got.Services[0].Ports) != 3 || len(got.Services[1].Ports) != 1 {
		t.Errorf("found %+v, %v", got, err)
	}
	for _, role := range []string{cluster.DirectorRole, cluster.RealServerRole} {
		if _, err := doctor.Found(t.Context(), lvsdrtest.New().Host(), role); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", role, err)
		}
	}
}

// Equal looks at what is meant.
func TestConfigEqual(t *testing.T) {
	parse := func(text string) cluster.Config {
		c, err := cluster.ParseConfig("", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	short := parse("services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]")
	long := parse("services: [{vip: 10.10.10.22, ports: [80], scheduler: wrr, realServers: [{address: 10.10.10.31, weight: 1}]}]\ndrain: 30s\nfirewall: auto")
	if !short.Equal(long) {
		t.Error("the defaults written out are another cluster")
	}
	for _, text := range []string{
		"services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31, weight: 2}]}]",
		"services: [{vip: 10.10.10.22, ports: [81], realServers: [{address: 10.10.10.31}]}]",
		"services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]\ndrain: 0s",
		"services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]\nfirewall: none",
		"services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]\ntimeouts: {udp: 1s}",
	} {
		if short.Equal(parse(text)) {
			t.Errorf("equal to %s", text)
		}
	}
}
