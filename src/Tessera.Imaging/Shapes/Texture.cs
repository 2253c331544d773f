namespace Tessera.Imaging.Shapes;

/// <summary>How a surface looks: a mixture of two colours that varies slowly from place to place.</summary>
/// <remarks>Lengths are in units of the picture's shorter side, so a scene looks the same at every resolution.</remarks>
internal readonly record struct Texture(Pattern Pattern, Colour First, Colour Second, Direction Direction, double Period, double Phase, ulong Key)
{
    public static Texture Draw(ref CounterRandom random, Colour first, Colour second) => new(
        (Pattern)random.NextBelow(Enum.GetValues<Pattern>().Length), first, second,
        Direction.Draw(ref random), random.NextDouble(0.14, 0.4), random.NextDouble(), random.NextUInt64());

    public Colour At(double x, double y) => First.Towards(Second, Share(x, y));

    private double Share(double x, double y)
    {
        var (along, across) = Direction.Turn(x, y);
        return Pattern switch
        {
            Pattern.Plain => 0,
            Pattern.Gradient => Math.Clamp(along + 0.5, 0, 1),
            Pattern.Stripes => Band(along),
            Pattern.Checks => Band(along) is var a && Band(across) is var b ? a + b - 2 * a * b : 0,
            Pattern.Clouds => (2 * Noise(x / Period, y / Period, 0) + Noise(2 * x / Period, 2 * y / Period, 1)) / 3,
            _ => throw new InvalidOperationException($"{Pattern} is not a pattern."),
        };
    }

    private double Band(double distance)
    {
        var place = distance / Period + Phase;
        var wave = 1 - Math.Abs(2 * (place - Math.Floor(place)) - 1);
        return SmoothStep((wave - 0.35) / 0.3);
    }

    /// <summary>Value noise: random numbers on a lattice, smoothly interpolated.</summary>
    private double Noise(double x, double y, uint octave)
    {
        var (column, row) = (Math.Floor(x), Math.Floor(y));
        var (right, down) = (SmoothStep(x - column), SmoothStep(y - row));
        var top = Knot(column, row, octave) * (1 - right) + Knot(column + 1, row, octave) * right;
        var bottom = Knot(column, row + 1, octave) * (1 - right) + Knot(column + 1, row + 1, octave) * right;
        return top * (1 - down) + bottom * down;
    }

    private double Knot(double column, double row, uint octave)
    {
        var random = new CounterRandom(Key, RandomPurpose.Texture, octave, (uint)(int)column << 16 ^ (uint)(int)row & 0xFFFF);
        return random.NextDouble();
    }

    private static double SmoothStep(double x)
    {
        x = Math.Clamp(x, 0, 1);
        return x * x * (3 - 2 * x);
    }
}

internal enum Pattern
{
    Plain,
    Gradient,
    Stripes,
    Checks,
    Clouds,
}

/// <summary>
/// A unit vector: the cosine and sine of an angle, drawn without either function, whose last bits differ between machines.
/// </summary>
internal readonly record struct Direction(double Cosine, double Sine)
{
    public static Direction Draw(ref CounterRandom random)
    {
        while (true)
        {
            var (x, y) = (random.NextDouble(-1, 1), random.NextDouble(-1, 1));
            var square = x * x + y * y;
            if (square is > 1e-4 and <= 1)
                return new Direction(x / Math.Sqrt(square), y / Math.Sqrt(square));
        }
    }

    /// <summary>The point in axes turned by this angle.</summary>
    public (double Along, double Across) Turn(double x, double y) => (x * Cosine + y * Sine, y * Cosine - x * Sine);
}
