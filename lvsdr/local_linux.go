package lvsdr

import (
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// Local is the machine this process runs on, in the network and mount namespaces
// of the thread that calls Local: Up, Doctor and the rest stay in them, whatever
// goroutines they use. Nothing need be closed, and what is missing is the error of
// its first use (see [linux.Local]).
func Local() *host.Host { return linux.Local() }
