/// The library's version, as in `include/dama/base.h`; `Tests/ABI/version.c` sees to it that the two agree.
public let libraryVersion: StaticString = "0.2.0"
