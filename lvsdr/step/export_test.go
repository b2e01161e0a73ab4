package step

// SameAddress is sameAddress, for the tests outside the package.
var SameAddress = sameAddress
