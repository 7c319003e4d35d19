"""How a host reaches the server: standard input and output, or Streamable HTTP.

`fast_front` owns the two standard streams of a stdio process and answers the first probe before anything heavy is
imported, `stdio` serves both protocol eras behind it, `http` adds the host and origin checks and the health routes.
Nothing is imported here, so that the front starts in milliseconds; import the submodule you need.
"""

__all__: list[str] = []
