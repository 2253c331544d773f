using System.Globalization;

namespace Tessera.Cli.Commands;

/// <summary>Numbers with units, as networks are described.</summary>
internal static class Quantity
{
    private static readonly (string Unit, double Seconds)[] Times = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1)];

    // A B is a byte and a b is a bit, and each is by thousands, as wires are sold.
    private static readonly (string Unit, double Bytes)[] Rates =
    [
        .. from prefix in new[] { ("T", 1e12), ("t", 1e12), ("G", 1e9), ("g", 1e9), ("M", 1e6), ("m", 1e6), ("k", 1e3), ("K", 1e3) }
           from unit in new[] { ("bit/s", 1.0 / 8), ("bit", 1.0 / 8), ("bps", 1.0 / 8), ("B/s", 1), ("B", 1) }
           select (prefix.Item1 + unit.Item1, prefix.Item2 * unit.Item2),
    ];

    /// <summary>Seconds of a time such as 0.1ms.</summary>
    /// <exception cref="UsageException">It is none.</exception>
    public static double Seconds(string option, string text) =>
        Read(text, Times) ?? throw new UsageException($"{option} is '{text}': write a time such as 0.1ms or 50us.");

    /// <summary>Bytes a second of a rate such as 10Gbit.</summary>
    /// <exception cref="UsageException">It is none.</exception>
    public static double BytesPerSecond(string option, string text) =>
        Read(text, Rates)
        ?? throw new UsageException($"{option} is '{text}': write a rate such as 10Gbit or 1.25GB.");

    private static double? Read(string text, (string Unit, double Factor)[] units)
    {
        foreach (var (unit, factor) in units.OrderByDescending(u => u.Unit.Length))
        {
            if (!text.EndsWith(unit, StringComparison.Ordinal)) continue;
            return double.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) ? value * factor : null;
        }
        return null;
    }
}
