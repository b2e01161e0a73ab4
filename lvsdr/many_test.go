package lvsdr_test

import (
	"fmt"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// many describes so many services of one VIP, each with the same real servers.
func many(services, realServers int) cluster.Config {
	c := cluster.Config{Drain: atOnce()}
	for s := range services {
		service := cluster.Service{VIP: addr("10.10.10.22"), Ports: []cluster.Port{{Number: uint16(1000 + s)}}}
		for i := range realServers {
			service.RealServers = append(service.RealServers, cluster.RealServer{Address: addr(fmt.Sprintf("10.10.%d.%d", 20+i/250, 1+i%250))})
		}
		c.Services = append(c.Services, service)
	}
	return c
}

// Set-up and doctor of many real servers come to an end: what looks through all of
// them for each of them would outlast the test's time.
func TestManyRealServers(t *testing.T) {
	for _, c := range []cluster.Config{many(40, 1000), many(1, 4500)} {
		h := lvsdrtest.Director("ip addr del 10.10.10.30/24 dev eth0", "ip addr add 10.10.10.30/16 dev eth0").Host()
		role, err := lvsdr.Director(c)
		if err != nil {
			t.Fatal(err)
		}
		if changes, err := role.Apply(t.Context(), h, step.Present); err != nil {
			t.Fatalf("%d changes: %v", len(changes), err)
		}
		if again, err := role.Plan(t.Context(), h, step.Present); err != nil || len(again) > 0 {
			t.Errorf("%d changes the second time, %v", len(again), err)
		}
		for _, f := range role.Doctor(t.Context(), h) {
			if f.Severity == doctor.Unknown {
				t.Errorf("%s could not tell: %s", f.Check, f.What)
			}
		}
	}
}
