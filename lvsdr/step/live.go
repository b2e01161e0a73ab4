package step

// live are the steps whose changes go with the running kernel: there is nothing of
// them in an image, where the unit makes them at its boot.
func (loopbackStep) live()  {}
func (timeouts) live()      {}
func (*services) live()     {}
func (ports) live()         {}
func (syncDaemons) live()   {}
func (blackholeStep) live() {}
func (vipStep) live()       {}

// Live tells whether nothing that the step does outlives a reboot. Steps of other
// packages are asked: see [host.Host.Image].
func Live(s Step) bool {
	_, live := s.(interface{ live() })
	return live
}
