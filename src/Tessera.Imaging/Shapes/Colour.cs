namespace Tessera.Imaging.Shapes;

/// <summary>Red, green and blue in [0, 1], as they are stored (gamma-encoded).</summary>
internal readonly record struct Colour(double Red, double Green, double Blue)
{
    public double Luma => 0.299 * Red + 0.587 * Green + 0.114 * Blue;

    /// <summary>Any hue, neither grey nor garish, neither black nor burnt out.</summary>
    public static Colour Draw(ref CounterRandom random)
    {
        var hue = random.NextDouble(0, 6);
        var saturation = random.NextDouble(0.15, 0.9);
        var value = random.NextDouble(0.15, 1);
        return new Colour(Channel(5), Channel(3), Channel(1));

        // HSV to RGB: each channel is a trapezoid of the hue.
        double Channel(double offset)
        {
            var place = (offset + hue) % 6;
            return value - value * saturation * Math.Clamp(Math.Min(place, 4 - place), 0, 1);
        }
    }

    public Colour Towards(Colour other, double share) => new(
        Red + (other.Red - Red) * share, Green + (other.Green - Green) * share, Blue + (other.Blue - Blue) * share);

    public Colour Darkened(double share) => new(Red * (1 - share), Green * (1 - share), Blue * (1 - share));
}
