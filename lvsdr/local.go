package lvsdr

// Local is the machine this process runs on, seen from the network and mount
// namespace of the calling thread.
func Local() *Host {
	return &Host{}
}
