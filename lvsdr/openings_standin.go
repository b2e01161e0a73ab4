package lvsdr

// openings returns what a firewall must let pass, sorted, each once.
func (c Config) openings() []Opening {
	var all []Opening
	for _, s := range c.Services {
		for _, p := range s.Ports {
			all = append(all, Opening{VIP: s.VIP, Protocol: p.Protocol, Port: p.Number})
		}
	}
	return sortOpenings(all)
}
