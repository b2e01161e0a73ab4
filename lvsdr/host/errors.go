package host

import (
	"errors"
)

// ErrNoIPVS: the kernel has no IPVS and no module to load brings it.
var ErrNoIPVS = errors.New("this kernel has no IPVS")

// ErrNoHTTP: who answers speaks something else.
var ErrNoHTTP = errors.New("that is no HTTP answer")
