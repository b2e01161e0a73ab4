package lvsdr

import (
	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// Local is the machine this process runs on, in the network and mount namespaces
// of the thread that calls Local: Up, Doctor and the rest stay in them, whatever
// goroutines they use. Nothing need be closed, and what is missing is the error of
// its first use (see [linux.Local]).
func Local() *host.Host { return linux.Local() }

// Image is the system whose tree is in the directory root: [Role.Up] writes into it
// what outlives a reboot, so that it boots into the role, and [Role.Down] takes it away.
// Nothing else is looked at or touched (see [linux.Image]).
func Image(root string) (*host.Host, error) {
	h, err := linux.Image(root)
	if err != nil {
		return nil, err
	}
	h.Sysctl = boot.AtBoot{Files: h.Files, Except: []string{
		step.DropInFile(cluster.DirectorRole), step.DropInFile(cluster.RealServerRole),
	}}
	return h, nil
}
