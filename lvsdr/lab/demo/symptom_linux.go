package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// How many requests show what a client sees, and for how long each is waited for.
const (
	visits  = 4
	waitFor = 2 * time.Second
)

// symptom shows what the fault is to a client: who answers when it asks for the
// VIP, and how its requests go. Where others answer for the VIP, or nobody, it is a
// client that has not asked before; one that has may not notice for minutes.
func (s faultStory) symptom() error {
	if s.fault.Claimed(s.Client.Name) {
		if err := s.Sh(s.ctx, s.Client.Name, "ip neigh flush all # a client that has not met the VIP"); err != nil {
			return err
		}
	}
	if !s.fault.InTurn { // whose symptom goes when others ask
		if err := s.whoHas(); err != nil {
			return err
		}
	}
	if s.visit(waitFor) == nil {
		fmt.Println("  This client is served, as yet. Wrong is: " + s.fault.Title + ".")
	}
	_, err := show(s.ctx, s.Client, "ip neigh show "+s.vip().String())
	return err
}

// vip is the address that the client visits.
func (s faultStory) vip() netip.Addr {
	u, err := url.Parse(s.URL())
	if err != nil {
		panic(err)
	}
	return netip.MustParseAddr(u.Hostname())
}

// whoHas asks the LAN for the VIP's MAC address, as the client, and shows every
// answer.
func (s faultStory) whoHas() error {
	command(s.Client.Name, "who has "+s.vip().String()+"?")
	source := s.Client.IPv4.Addr()
	if s.vip().Is6() {
		source = s.Client.IPv6.Addr()
	}
	way, err := s.Client.LVS().Routes.To(s.ctx, s.vip())
	if err != nil {
		return err
	}
	var answers [][]probe.Answer
	err = s.Client.Do(func() error {
		link, err := net.InterfaceByName(way.Link)
		if err != nil {
			return err
		}
		questions := []probe.Question{{Target: s.vip(), Source: source, All: true}}
		answers, err = probe.Ask(s.ctx, link.Index, link.HardwareAddr, questions, waitFor)
		return err
	})
	if err != nil {
		return err
	}
	for _, a := range answers[0] {
		fmt.Printf("  %s: %s\n", s.owner(a.MAC), a.MAC)
	}
	if len(answers[0]) == 0 {
		fmt.Println("  nobody answers")
	}
	return nil
}

// owner is the host with the network card.
func (s faultStory) owner(mac net.HardwareAddr) string {
	for _, h := range s.Hosts() {
		if h.MAC.String() == mac.String() {
			return h.Name
		}
	}
	return "no host of the LAN"
}

// visit requests the VIP a few times, and tells how it went.
func (s faultStory) visit(wait time.Duration) (failed error) {
	fmt.Println()
	for range visits {
		ctx, cancel := context.WithTimeout(s.ctx, wait)
		who, err := s.Client.Get(ctx, s.URL())
		cancel()
		if err != nil {
			failed, who = err, "failed: "+reason(err, wait)
		}
		who, _, _ = strings.Cut(strings.TrimSpace(who), "\n")
		fmt.Printf("client: GET %s → %.60s\n", s.URL(), who)
	}
	return failed
}

// visited demands that the client is served.
func (s faultStory) visited() error {
	return again(func() error { return s.visit(lab.GetTimeout) })
}

// reason is an error without the request that it repeats.
func reason(err error, wait time.Duration) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", wait)
	}
	text := err.Error()
	return strings.TrimSpace(text[strings.LastIndex(text, ":")+1:])
}
