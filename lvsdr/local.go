package lvsdr

import (
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// Local is the machine this process runs on, seen from the network and mount
// namespace of the calling thread.
func Local() *host.Host { return linux.Local() }
