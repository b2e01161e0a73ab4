package host

import (
	"errors"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// ErrNoIPVS says that the kernel has no IPVS: the module ip_vs is neither built in
// nor loaded, or there is none to load. It is [ipvs.ErrNoIPVS] itself, so that one
// question with [errors.Is] finds it whoever met it, and also [io/fs.ErrNotExist].
var ErrNoIPVS = ipvs.ErrNoIPVS

// ErrNoHTTP: who answers speaks something else.
var ErrNoHTTP = errors.New("that is no HTTP answer")
