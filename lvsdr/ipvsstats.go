package lvsdr

// IPVSWithStats is h.IPVS, but what it reads has Stats filled in too. That costs
// a tenth more, which the steps, who compare settings only, do without.
func (h *Host) IPVSWithStats() IPVS {
	if v, ok := h.IPVS.(interface{ withStats() IPVS }); ok {
		return v.withStats()
	}
	return h.IPVS
}
