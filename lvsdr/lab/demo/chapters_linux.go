package main

import (
	"fmt"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

const (
	weights = "lvsdr setup director --vip 10.10.10.22 -r 10.10.10.31=1 -r 10.10.10.32=3"
	mission = "lvsdr setup director --vip 10.10.10.22 -r 10.10.10.31=1 -r 10.10.10.32=1" +
		" --persistence 20s --timeouts 30s,5s,60s"
)

// prepare makes the hosts as people have them: real servers with an HTTP server
// that listens on all addresses, and everywhere a firewall that admits only SSH.
func (s *story) prepare() error {
	chapter("Before: HTTP servers on dev-2 and dev-3, and a firewall everywhere that admits SSH only")
	for _, h := range s.lab.RealServers {
		if _, err := h.ServeHTTP(":80"); err != nil {
			return err
		}
	}
	for _, h := range s.cluster() {
		for _, rule := range []string{
			"-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
			"-A INPUT -p icmp -j ACCEPT", "-A INPUT -p tcp --dport 22 -j ACCEPT", "-P INPUT DROP",
		} {
			if _, err := h.Run(s.ctx, "iptables", strings.Fields("-w "+rule)...); err != nil {
				return err
			}
		}
	}
	if err := s.run(s.lab.RealServers[0], "iptables -S INPUT"); err != nil {
		return err
	}
	for _, h := range s.cluster() { // to be compared at the end
		snapshot, err := h.Snapshot(s.ctx)
		if err != nil {
			return err
		}
		s.before[h] = snapshot
	}
	return nil
}

func (s *story) realServers() error {
	chapter("The real servers")
	for _, h := range s.lab.RealServers {
		if err := s.run(h, "lvsdr setup realserver --vip 10.10.10.22"); err != nil {
			return err
		}
	}
	return s.runAll(s.lab.RealServers[0], "ip -4 addr show",
		"sysctl net.ipv4.ip_forward net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce"+
			" net.ipv4.conf.lo.arp_ignore net.ipv4.conf.lo.arp_announce",
		"iptables -S INPUT")
}

func (s *story) director() error {
	chapter("The director, with weights 1 and 3")
	return s.runAll(s.lab.Director, weights, "ip -4 addr show eth0", "ipvsadm -S -n")
}

func (s *story) requests() error {
	chapter("Eight requests from the client: wrr with weights 1 and 3 gives 2 and 6")
	served, err := s.get(8)
	if err != nil {
		return err
	}
	if served["dev-2"] != 2 || served["dev-3"] != 6 {
		return fmt.Errorf("the requests went %v", served)
	}
	if err := s.run(s.lab.Director, "lvsdr status"); err != nil {
		return err
	}
	chapter("Who has the VIP? The client has learnt the director's MAC address and no other")
	if err := s.run(s.lab.Client, "ip neigh show 10.10.10.22"); err != nil {
		return err
	}
	return s.run(s.lab.Director, "ip -br link show eth0")
}

// get requests the VIP n times and counts who answered.
func (s *story) get(n int) (map[string]int, error) {
	served := map[string]int{}
	fmt.Println()
	for range n {
		who, err := s.lab.Client.Get(s.ctx, "http://10.10.10.22/")
		if err != nil {
			return nil, err
		}
		fmt.Printf("client: GET http://10.10.10.22/ → %s\n", who)
		served[who]++
	}
	return served, nil
}

// doctor shows the cluster healthy, then with one of the documentation's pitfalls.
func (s *story) doctor() error {
	chapter("The doctor: is everything as it should be?")
	if err := s.runAll(s.lab.Director, "lvsdr doctor"); err != nil {
		return err
	}
	chapter("Somebody resets a kernel parameter of dev-2. What is wrong now?")
	server := s.lab.RealServers[0]
	if err := s.run(server, "sysctl -w net.ipv4.conf.all.arp_ignore=0"); err != nil {
		return err
	}
	if out, err := show(s.ctx, server, "lvsdr doctor"); err == nil || !strings.Contains(out, "failure  arp-ignore") {
		return fmt.Errorf("the doctor did not name arp-ignore: %w", err)
	}
	chapter("It is mended with the doctor's command, or by the doctor")
	return s.runAll(server, "lvsdr doctor --fix")
}

func (s *story) again() error {
	chapter("The same set-up again finds nothing to do")
	if err := s.run(s.lab.Director, weights); err != nil {
		return err
	}
	return s.run(s.lab.RealServers[0], "lvsdr setup realserver --vip 10.10.10.22")
}

func (s *story) persistence() error {
	chapter("Another configuration: only the difference, in place. Persistence keeps a client on its real server")
	if err := s.runAll(s.lab.Director, mission, "ipvsadm -S -n", "ipvsadm -L --timeout"); err != nil {
		return err
	}
	served, err := s.get(4)
	if err == nil && len(served) != 1 {
		err = fmt.Errorf("a persistent client was served by %v", served)
	}
	return err
}

func (s *story) teardown() error {
	chapter("Teardown gives everything back")
	if err := s.run(s.lab.Director, "lvsdr teardown director"); err != nil {
		return err
	}
	for _, h := range s.lab.RealServers {
		if err := s.run(h, "lvsdr teardown realserver"); err != nil {
			return err
		}
	}
	return s.compareAll()
}

// compareAll compares every host with what it was. ip_vs stays loaded, and a module
// brings its sysctls to every host: what it brought is told by the client, where
// nothing was set up.
func (s *story) compareAll() error {
	fmt.Println("\nAddresses, routes, rules, sysctls, files, firewall, IPVS, line by line with before:")
	client, err := s.lab.Client.Snapshot(s.ctx)
	if err != nil {
		return err
	}
	for _, h := range s.cluster() {
		after, err := h.Snapshot(s.ctx)
		if err != nil {
			return err
		}
		if diff := s.before[h].Diff(withoutModule(after, s.before[h], client)); len(diff) > 0 {
			return fmt.Errorf("%s is not as it was:\n%s", h.Name, strings.Join(diff, "\n"))
		}
		fmt.Printf("  %s: %d lines, none differs\n", h.Name, strings.Count(string(s.before[h]), "\n"))
	}
	return nil
}

// withoutModule leaves out of a snapshot the lines of ip_vs that an untouched host
// has too, if it was not loaded before.
func withoutModule(after, before, untouched lab.Snapshot) lab.Snapshot {
	const sysctl = "sysctl net/ipv4/vs/"
	if strings.Contains(string(before), sysctl) {
		return after
	}
	var kept []string
	for _, line := range strings.SplitAfter(string(after), "\n") {
		ofModule := strings.HasPrefix(line, sysctl) || strings.HasPrefix(line, "ipvs ")
		if !ofModule || !strings.Contains("\n"+string(untouched), "\n"+line) {
			kept = append(kept, line)
		}
	}
	return lab.Snapshot(strings.Join(kept, ""))
}
