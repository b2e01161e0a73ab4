// Realserver makes a cluster of namespaces (package lab) and sets up one of its hosts
// as a provisioning tool would a real one, with lvsdr.Local(). Run it as root.
package main

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	hosts, err := lab.New(ctx)
	if err != nil {
		return err
	}
	defer hosts.Close()
	host := hosts.RealServers[0].LVS()
	role, err := lvsdr.RealServer(cluster.Config{Services: []cluster.Service{{VIP: netip.MustParseAddr("10.10.10.22")}}})
	if err != nil {
		return err
	}
	changes, err := role.Up(ctx, host)
	for _, c := range changes {
		fmt.Println(c)
	}
	return err
}
