/// The library's version, as in `include/dama/base.h`; `Tests/ABI/version.c` checks that both agree.
public let libraryVersion: StaticString = "0.2.0"
