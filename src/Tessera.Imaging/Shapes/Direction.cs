namespace Tessera.Imaging.Shapes;

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
