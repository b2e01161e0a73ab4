package ipvs

// Batches builds the messages of [Client.Apply] without any acknowledgement, for
// the benchmark of what the kernel alone takes. The family is that of a new client.
func Batches(commands []Command) ([][]byte, error) {
	c, err := Open()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var batches [][]byte
	for len(commands) > 0 {
		n := min(BatchSize, len(commands))
		var b []byte
		for i, command := range commands[:n] {
			if b, err = appendCommand(b, command, c.family, uint32(i)); err != nil {
				return nil, err
			}
		}
		batches = append(batches, b)
		commands = commands[n:]
	}
	return batches, nil
}
