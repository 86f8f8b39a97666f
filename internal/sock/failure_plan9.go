package sock

// TooLarge reports false: Plan 9 has no such error.
func TooLarge(error) bool { return false }

// NoMemory reports false: Plan 9 has no such error.
func NoMemory(error) bool { return false }
