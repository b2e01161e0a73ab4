package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// A machine is the demonstration on a real server with systemd and firewalld, and a
// client that sends it what is for the VIP, as a director would.
type machine struct {
	ctx    context.Context
	server *fleet.Machine
	client *fleet.Client
}

// machines shows a real server on a machine with systemd: it serves after everything
// that happens to machines. The folder is that of the trees.
func machines(ctx context.Context, bin, trees string) (err error) {
	if err := fleet.Missing(); err != nil {
		return err
	}
	fmt.Println("A machine with Debian 13, systemd and firewalld. (The first time Debian is fetched: some minutes.)")
	tree, err := fleet.Tree(ctx, trees, fleet.Debian13)
	if err != nil {
		return err
	}
	f, err := fleet.New(ctx, tree)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	m := machine{ctx: ctx}
	if m.server, err = f.Add(ctx, "dev-2", fleet.Ifupdown, netip.MustParsePrefix("10.10.10.31/24")); err != nil {
		return err
	}
	if m.client, err = f.Client(ctx, "client", netip.MustParsePrefix("10.10.10.100/24")); err != nil {
		return err
	}
	err = errors.Join(m.server.Install(bin, "/usr/bin/lvsdr"), m.server.Enable(ctx, "firewalld"),
		m.client.Director(ctx, lab.VIP, m.server))
	if err != nil {
		return err
	}
	return m.tell()
}

func (m machine) tell() error {
	chapter("Power on")
	if err := m.power(m.server.On); err != nil {
		return err
	}
	chapter("A real server by one command, in a firewall that admits SSH only")
	if err := m.served("lvsdr setup realserver --vip 10.10.10.22"); err != nil {
		return err
	}
	chapter("The firewall is loaded anew")
	if err := m.served("firewall-cmd --reload"); err != nil {
		return err
	}
	chapter("A power cut")
	err := m.power(func(ctx context.Context) error {
		if err := m.server.PullPlug(ctx); err != nil {
			return err
		}
		return m.server.On(ctx)
	})
	if err != nil {
		return err
	}
	if err := m.served("lvsdr doctor realserver"); err != nil {
		return err
	}
	chapter("Teardown gives everything back")
	return m.run("lvsdr teardown realserver")
}

func (m machine) power(cycle func(context.Context) error) error {
	start := time.Now()
	if err := cycle(m.ctx); err != nil {
		return err
	}
	fmt.Printf("\n%s: systemd has booted after %.1f s\n", m.server.Name, time.Since(start).Seconds())
	return nil
}

// run runs a command on the server and shows it with all it says.
func (m machine) run(line string) error {
	command(m.server.Name, line)
	cmd, err := m.server.Command(m.ctx, "sh", "-c", line)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("on %s: %s: %w", m.server.Name, line, err)
	}
	return nil
}

// served runs a command, after which the client has to be served.
func (m machine) served(line string) error {
	if err := m.run(line); err != nil {
		return err
	}
	who, err := m.client.Get(m.ctx, "http://10.10.10.22/")
	if err == nil && who != m.server.Name {
		err = fmt.Errorf("%q answers", who)
	}
	if err != nil {
		return fmt.Errorf("after %s: %w", line, err)
	}
	fmt.Printf("\nclient: GET http://10.10.10.22/, to the MAC address of %s → %s\n", m.server.Name, who)
	return nil
}
